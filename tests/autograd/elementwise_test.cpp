// Every row of the table, found through the table.
#include "autograd/elementwise.h"

#include <cmath>

#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

namespace rows = kernels::rows;

constexpr Range kPositive = {.both_signs = false};

// Rows that are not a number for negative operands are checked for positive ones.
template <class Row>
Range domain() {
  if constexpr (std::is_same_v<Row, rows::Tan>) return {.high = 1.2};  // the pole is at 1.57
  if constexpr (std::is_same_v<Row, rows::Asin> || std::is_same_v<Row, rows::Acos>) return {.high = 0.9};
  const double negative = -1.6;
  const bool nan = [&] {
    if constexpr (Row::arity == 1)
      return std::isnan(Row{}.value(negative));
    else if constexpr (Row::arity == 2)
      return std::isnan(static_cast<double>(Row{}.value(negative, 0.6)));
    else
      return false;
  }();
  return nan ? kPositive : Range{};
}

template <class Row>
std::vector<OpCase> cases_of(const Row& row) {
  const Range range = domain<Row>();
  if constexpr (Row::dtypes == rows::Dtypes::truth) {
    return {};
  } else if constexpr (Row::arity == 1) {
    const auto op = [row](const auto& x) { return unary(row, x[0]); };
    return {{row.name, {{{3, 5}, range}}, op}, {row.name, {{{}, range}}, op}, {row.name, {{{2, 0, 3}, range}}, op}};
  } else if constexpr (Row::arity == 2) {
    const auto op = [row](const auto& x) { return binary(row, x[0], x[1]); };
    return {{row.name, {{{3, 5}, range}, {{3, 5}, range}}, op},
            {row.name, {{{2, 1, 3}, range}, {{4, 1}, range}}, op},
            {row.name, {{{}, range}, {{3, 2}, range}}, op},
            {row.name, {{{4}, range}}, [row](const auto& x) { return binary(row, x[0], 0.7); }},
            {row.name, {{{4}, range}}, [row](const auto& x) { return binary(row, 1.3, x[0]); }},
            {row.name, {{{}, range}}, [row](const auto& x) { return binary(row, 2, x[0]); }}};
  } else {
    const Tensor condition = random_tensor({3, 1}, 5) > 0;
    return {
        {row.name, {{{3, 4}}, {{4}}}, [row, condition](const auto& x) { return ternary(row, condition, x[0], x[1]); }},
        {row.name, {{{3, 4}}}, [row, condition](const auto& x) { return ternary(row, condition, x[0], 0); }},
        {row.name, {{{3, 4}}}, [row, condition](const auto& x) { return ternary(row, condition, 0.5, x[0]); }}};
  }
}

TEST(Elementwise, EveryRowOfTheTablePassesTheChecks) {
  int rows_seen = 0;
  rows::for_each_row([&]<class Row>(const Row& row) {
    for (const OpCase& op : cases_of(row)) judge(op);
    ++rows_seen;
  });
  EXPECT_EQ(rows_seen, rows::kRowCount);
}

TEST(Elementwise, AttributesReachTheGradient) {
  judge({"leaky_relu", {{{3, 5}}}, [](const auto& x) { return leaky_relu(x[0], 0.3); }});
  judge({"elu", {{{3, 5}}}, [](const auto& x) { return elu(x[0], 1.7); }});
  judge({"clamp", {{{3, 5}}}, [](const auto& x) { return clamp(x[0], -0.9, 0.8); }});
  judge({"softplus", {{{3, 5}}}, [](const auto& x) { return softplus(x[0], 2.0, 2.5); }});
  for (const double exponent : {2.0, 3.0, 0.5, -1.0, -1.5, 1.0, 0.0}) {
    judge({"pow", {{{3, 5}, kPositive}}, [exponent](const auto& x) { return pow(x[0], exponent); }});
  }
}

TEST(Elementwise, OperatorsMixTensorsAndNumbers) {
  judge({"operators", {{{3, 5}}, {{5}}}, [](const auto& x) {
           return (1 - x[0]) * (x[1] + 2) / (3.5 + square(x[0])) - -x[1] * 0.5 + (x[0] - 1) / x[1] + 2 / x[1];
         }});
}

TEST(Elementwise, GradientsComeBackInTheDtypeOfTheOperand) {
  const Tensor a = kernels::cast(f64({1, 2, 3}, {3}), DType::f32).set_requires_grad();
  const Tensor b = leaf({0.5, 0.25, 2}, {3});
  const Tensor y = a * b;
  ASSERT_EQ(y.dtype(), DType::f64);
  backward(sum(y));
  EXPECT_EQ(a.grad().dtype(), DType::f32);
  EXPECT_EQ(b.grad().dtype(), DType::f64);
  EXPECT_EQ(values(a.grad()), (std::vector<double>{0.5, 0.25, 2}));
}

TEST(Elementwise, IntegerOperandsTakePartWithoutAGradient) {
  const Tensor x = leaf({1, 2, 3}, {3});
  const Tensor n = Tensor::from<std::int64_t>({2, 3, 4}, {3});
  backward(sum(x * n));
  EXPECT_EQ(values(x.grad()), (std::vector<double>{2, 3, 4}));
  EXPECT_FALSE(n.requires_grad());
}

TEST(Elementwise, ComparisonsHaveNoGradient) {
  const Tensor x = leaf({1, -2, 3}, {3});
  const Tensor y = x > 0;
  EXPECT_EQ(y.dtype(), DType::boolean);
  EXPECT_FALSE(y.requires_grad());
  EXPECT_EQ(values(y), (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(values(x == x), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(values(x != x), (std::vector<double>{0, 0, 0}));
}

TEST(Elementwise, MaximumSharesTheGradientOfATie) {
  const Tensor a = leaf({1, 5, 2}, {3}), b = leaf({1, 2, 5}, {3});
  backward(sum(maximum(a, b)));
  EXPECT_EQ(values(a.grad()), (std::vector<double>{0.5, 1, 0}));
  EXPECT_EQ(values(b.grad()), (std::vector<double>{0.5, 0, 1}));
}

// 1 / 0.1 rounds to 10, in f32 and in f64, but 0.1 is in 1 only 9 times: the value is 0.1, and the slope -9.
TEST(Elementwise, TheGradientOfARemainderIsTheQuotientOfItsValue) {
  for (const DType dtype : {DType::f64, DType::f32}) {
    const Tensor a = kernels::cast(f64({1, -1, 1, -1, 7.5, 0.25}, {6}), dtype);
    const auto slopes = [&](Tensor (*f)(kernels::Input, kernels::Input)) {
      const Tensor b = kernels::cast(f64({0.1, 0.1, -0.1, -0.1, 2, HUGE_VAL}, {6}), dtype).set_requires_grad();
      backward(sum(f(a, b)));
      return values(kernels::cast(b.grad(), DType::f64));
    };
    EXPECT_EQ(slopes(remainder), (std::vector<double>{-9, 10, 10, -9, -3, 0}));
    EXPECT_EQ(slopes(fmod), (std::vector<double>{-9, 9, 9, -9, -3, 0}));
  }
}

// Gradients may be written over the gradients that they are made of.
TEST(Elementwise, AGradientThatSomebodyElseSeesIsNotWrittenOver) {
  const auto close_to = [](const Tensor& x, double value) { return std::abs(x.item<double>() - value) < 1e-12; };
  const double ex = std::exp(0.5), sigma = 1 / (1 + std::exp(-ex)), at_y = sigma * (1 - sigma), at_x = at_y * ex;
  const Tensor x = leaf({0.5}, {1});
  Tensor seen;
  const Tensor y = exp(x);
  register_hook(y, [&seen](const Tensor& g) { return seen = g; });
  backward(sigmoid(y));
  EXPECT_TRUE(close_to(seen, at_y));
  EXPECT_TRUE(close_to(x.grad(), at_x));

  const Tensor u = exp(x);
  const std::vector<Tensor> both = grad({sigmoid(u)}, {u, x});
  EXPECT_TRUE(close_to(both[0], at_y));
  EXPECT_TRUE(close_to(both[1], at_x));

  const Tensor twice = leaf({0.5}, {1}), once = leaf({0.5}, {1}), given = f64({2}, {1});
  backward(exp(twice) + (neg(twice) + exp(once)), {.gradient = given});  // one gradient handed to three
  EXPECT_TRUE(close_to(twice.grad(), 2 * ex - 2));
  EXPECT_TRUE(close_to(once.grad(), 2 * ex));
  EXPECT_EQ(values(given), std::vector<double>{2});
}

TEST(Elementwise, ReluPassesNoGradientAtZeroAndNotANumberThrough) {
  const Tensor x = leaf({0, -1, 2, std::nan("")}, {4});
  const Tensor y = relu(x);
  EXPECT_TRUE(std::isnan(values(y)[3]));
  backward(sum(y));
  EXPECT_EQ(values(slice(x.grad(), 0, 0, 3)), (std::vector<double>{0, 0, 1}));
}

}  // namespace
}  // namespace hop::autograd
