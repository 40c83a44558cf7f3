// Every operation of the table, through the public calls: values, dtypes, layouts, threads, gradients.
#include "kernels/elementwise.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "tests/kernels/elementwise_case.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using testing::close;
using testing::ElementwiseCase;
using testing::random_tensor;
using testing::same_bits;
using testing::values;

constexpr DType kAllDTypes[] = {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean};

class Elementwise : public ::testing::TestWithParam<ElementwiseCase> {
 protected:
  const ElementwiseCase& op = GetParam();

  // Operands of `dtype` in the reference's domain; a ternary row's first is a condition.
  std::vector<Tensor> operands(const std::vector<Shape>& shapes, DType dtype, std::uint64_t seed = 1) const {
    std::vector<Tensor> list;
    for (std::size_t i = 0; i < static_cast<std::size_t>(op.arity); ++i) {
      const bool condition = op.arity == 3 && i == 0;
      const bool small_integers = !is_floating(dtype);
      const bool divides = op.name == "remainder" || op.name == "fmod" || op.name == "floor_divide";
      const double least = divides ? 1 : dtype == DType::u8 || op.name == "pow" ? 0 : -5;
      const double low = small_integers ? least : op.reference.low;
      list.push_back(random_tensor(shapes[i % shapes.size()], condition ? DType::boolean : dtype, 7 * seed + i, low,
                                   small_integers ? 6 : op.reference.high));
    }
    return list;
  }

  std::vector<double> expected(const std::vector<Tensor>& x) const {
    std::vector<std::vector<double>> columns;
    for (const Tensor& t : x) columns.push_back(values<double>(t));
    std::vector<double> list;
    for (std::size_t i = 0; i < columns[0].size(); ++i) {
      std::vector<double> row;
      for (const auto& column : columns) row.push_back(column[i]);
      list.push_back(op.reference.value(row, op.attributes));
    }
    return list;
  }

  DType expected_dtype(DType dtype) const {
    if (op.is_question()) return DType::boolean;
    return op.dtypes == kernels::rows::Dtypes::real && !is_floating(dtype) ? DType::f32 : dtype;
  }
};

TEST_P(Elementwise, AgreesWithTheReferenceForEveryDType) {
  for (const DType dtype : kAllDTypes) {
    SCOPED_TRACE(std::string(name(dtype)));
    const auto x = operands({{5, 67}}, dtype);
    if (op.dtypes == kernels::rows::Dtypes::number && dtype == DType::boolean) {
      EXPECT_THROW(op.evaluate(x), DtypeError);
      continue;
    }
    const Tensor y = op.evaluate(x);
    EXPECT_EQ(y.dtype(), expected_dtype(dtype));
    EXPECT_EQ(y.shape(), Shape({5, 67}));
    std::vector<double> wanted = expected(x);
    for (double& w : wanted) {
      if (y.dtype() == DType::u8) w = static_cast<std::uint8_t>(static_cast<std::int64_t>(w));  // wraps
      if (y.dtype() == DType::boolean) w = w != 0;
    }
    const bool f64 = y.dtype() == DType::f64;
    EXPECT_TRUE(close(y, wanted, f64 ? 1e-14 : op.reference.relative, f64 ? 1e-15 : op.reference.absolute));
  }
}

TEST_P(Elementwise, GivesTheSameBitsInEveryLayoutAtEveryAlignment) {
  for (const DType dtype : {DType::f32, DType::f64, DType::i32}) {
    SCOPED_TRACE(std::string(name(dtype)));
    const auto x = operands({{3, 5, 7}}, dtype);
    const Tensor y = op.evaluate(x);
    for (std::int64_t offset = 1; offset < 16; ++offset) {
      auto moved = x;
      for (std::size_t i = 0; i < x.size(); ++i)
        moved[i] = testing::shifted(x[i], offset + static_cast<std::int64_t>(i));
      ASSERT_TRUE(same_bits(op.evaluate(moved), y)) << "offset " << offset;
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (const Tensor& other : testing::layouts(x[i])) {
        auto moved = x;
        moved[i] = other;
        ASSERT_TRUE(same_bits(op.evaluate(moved), y)) << "operand " << i << " with strides " << other.strides()[0];
      }
    }
  }
}

TEST_P(Elementwise, GivesAnElementTheSameBitsWhereverItStands) {
  const auto x = operands({{45}}, DType::f32);
  const Tensor y = op.evaluate(x);
  for (std::int64_t n = 0; n <= 45; ++n) {
    for (const std::int64_t start : {std::int64_t{0}, 45 - n}) {
      std::vector<Tensor> part;
      for (const Tensor& t : x) part.push_back(t.as_strided({n}, {1}, start));
      ASSERT_TRUE(same_bits(op.evaluate(part), y.as_strided({n}, {1}, start))) << n << " elements from " << start;
    }
  }
}

TEST_P(Elementwise, GivesTheSameBitsForEveryNumberOfThreads) {
  const Shape shape = {3, 40000};
  const auto x = operands({shape}, DType::f32);
  auto strided = x;
  strided[0] = testing::with_order(x[0], {1, 0});
  const Tensor y = op.evaluate(x);
  const testing::ComputeThreads two(2);
  EXPECT_TRUE(same_bits(op.evaluate(x), y));
  EXPECT_TRUE(same_bits(op.evaluate(strided), y));
}

TEST_P(Elementwise, TakesTensorsWithoutElementsAndWithoutDimensions) {
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{3, 0, 2}, Shape{1}, Shape{1, 1}}) {
    const auto x = operands({shape}, DType::f32);
    const Tensor y = op.evaluate(x);
    EXPECT_EQ(y.shape(), shape);
    EXPECT_TRUE(close(y, expected(x), op.reference.relative, op.reference.absolute));
  }
}

// A broadcast operand has the result of an expanded view: as rows, as columns, as planes, from both sides.
TEST_P(Elementwise, BroadcastsLikeExpandedOperands) {
  if (op.arity == 1) return;
  const std::vector<std::vector<Shape>> lists = {
      {{4, 5}, {5}},       {{4, 5}, {4, 1}},   {{4, 1}, {1, 5}}, {{}, {4, 5}}, {{2, 3, 4, 5}, {1, 3, 1, 1}},
      {{3, 1, 5}, {4, 1}}, {{2, 1, 1}, {1, 0}}};
  for (const auto& shapes : lists) {
    const auto x = operands(shapes, DType::f32);
    const Shape shape = broadcast_shapes(x[0].shape(), x[1].shape(), "test");
    std::vector<Tensor> expanded;
    for (const Tensor& t : x) {
      Strides strides;
      strides.resize(shape.size(), 0);
      for (int d = 1; d <= t.dim(); ++d) {
        if (t.shape()[t.dim() - d] != 1) strides[shape.size() - d] = t.strides()[t.dim() - d];
      }
      expanded.push_back(t.as_strided(shape, strides, 0));
    }
    const Tensor y = op.evaluate(x);
    ASSERT_EQ(y.shape(), shape);
    EXPECT_TRUE(same_bits(y, op.evaluate(expanded)));
    EXPECT_TRUE(close(y, expected(expanded), op.reference.relative, op.reference.absolute));
  }
}

TEST_P(Elementwise, HasTheGradientsOfItsValue) {
  if (op.is_question()) return;
  const auto x = operands({{37}}, DType::f64);
  const Tensor g = random_tensor({37}, DType::f64, 99, 0.5, 2);
  const Tensor y = op.evaluate(x);
  for (int i = op.first_differentiable(); i < op.arity; ++i) {
    const Tensor gradient = op.gradient(i, g, x, y);
    constexpr double kStep = 1e-6;
    std::vector<double> wanted;
    const auto shift = [&](double by) {
      auto moved = x;
      moved[static_cast<std::size_t>(i)] = kernels::add(x[static_cast<std::size_t>(i)], by);
      return values<double>(op.evaluate(moved));
    };
    const auto up = shift(kStep), down = shift(-kStep);
    for (std::size_t k = 0; k < up.size(); ++k)
      wanted.push_back(values<double>(g)[k] * (up[k] - down[k]) / (2 * kStep));
    EXPECT_TRUE(close(gradient, wanted, 1e-7, 1e-8)) << "operand " << i;
  }
}

TEST_P(Elementwise, ComputesGradientsInF32AsInF64) {
  if (op.is_question()) return;
  const auto x = operands({{5, 13}}, DType::f32);
  const Tensor g = random_tensor({5, 13}, DType::f32, 99, -2, 2), y = op.evaluate(x);
  std::vector<Tensor> x64;
  for (const Tensor& t : x)
    x64.push_back(t.dtype() == DType::f32 ? kernels::mul(t, Tensor::from<double>({1.0}, {1})) : t);
  const Tensor g64 = kernels::mul(g, Tensor::from<double>({1.0}, {1})), y64 = op.evaluate(x64);
  for (int i = op.first_differentiable(); i < op.arity; ++i) {
    const Tensor gradient = op.gradient(i, g, x, y);
    EXPECT_EQ(gradient.dtype(), DType::f32);
    EXPECT_TRUE(close(gradient, values<double>(op.gradient(i, g64, x64, y64)), 2e-6, 1e-6)) << "operand " << i;
    const auto strided = testing::with_order(g, {1, 0}, 2);
    EXPECT_TRUE(same_bits(op.gradient(i, strided, x, y), gradient)) << "operand " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, Elementwise, ::testing::ValuesIn(testing::elementwise_cases()),
                         [](const auto& test) { return testing::case_name(test.param); });

// ---- what only some rows do -----------------------------------------------------------------------------------------

TEST(ElementwiseGradient, OfATieIsShared) {
  const Tensor a = Tensor::from<double>({1, 2, 3}, {3}), b = Tensor::from<double>({1, 5, 0}, {3});
  const Tensor g = Tensor::from<double>({4, 4, 4}, {3});
  EXPECT_EQ(values<double>(kernels::maximum_grad_a(g, a, b, Tensor())), (std::vector<double>{2, 0, 4}));
  EXPECT_EQ(values<double>(kernels::maximum_grad_b(g, a, b, Tensor())), (std::vector<double>{2, 4, 0}));
  EXPECT_EQ(values<double>(kernels::minimum_grad_a(g, a, b, Tensor())), (std::vector<double>{2, 4, 0}));
}

TEST(ElementwiseGradient, OfPowIsZeroWhereTheExponentIsZeroAndOfReluWhereTheInputIs) {
  const Tensor zero = Tensor::from<double>({0}, {1}), g = Tensor::from<double>({3}, {1}),
               one = Tensor::from<double>({1}, {1});
  EXPECT_EQ(kernels::pow_grad_a(g, zero, zero, one).item<double>(), 0);
  EXPECT_EQ(kernels::pow_grad_b(g, zero, zero, one).item<double>(), 0);
  EXPECT_EQ(kernels::pow_scalar_grad(g, zero, one, 0).item<double>(), 0);
  EXPECT_EQ(kernels::relu_grad(g, zero, zero).item<double>(), 0);
}

TEST(ElementwiseGradient, IsTheGradientOfTheResultWhereTheRuleSaysSo) {
  const Tensor g = random_tensor({3});
  EXPECT_TRUE(kernels::add_grad_a(g, Tensor(), Tensor(), Tensor()).is_same(g));
  EXPECT_TRUE(kernels::add_grad_b(g, Tensor(), Tensor(), Tensor()).is_same(g));
  EXPECT_TRUE(kernels::sub_grad_a(g, Tensor(), Tensor(), Tensor()).is_same(g));
}

TEST(ElementwiseGradient, TakesNumbersAndOtherDTypesAsOperands) {
  const Tensor g = Tensor::from<float>({1, 2}, {2}), a = Tensor::from<std::int64_t>({3, 4}, {2});
  EXPECT_EQ(values<double>(kernels::mul_grad_a(g, a, 0.5, Tensor())), (std::vector<double>{0.5, 1}));
  EXPECT_EQ(values<double>(kernels::mul_grad_b(g, a, 0.5, Tensor())), (std::vector<double>{3, 8}));
}

TEST(ElementwiseGradient, HasTheBroadcastShape) {
  const Tensor g = random_tensor({4, 5}), a = random_tensor({4, 5}), b = random_tensor({5});
  EXPECT_EQ(kernels::mul_grad_b(g, a, b, Tensor()).shape(), Shape({4, 5}));
}

// A backward pass saves the operands that its gradients read.
TEST(ElementwiseTable, KnowsWhatEachGradientReads) {
  namespace rows = kernels::rows;
  using rows::Probe;
  static_assert(!rows::reads_x<rows::Exp> && rows::reads_y<rows::Exp>);
  static_assert(!rows::reads_x<rows::Tanh> && rows::reads_y<rows::Tanh>);
  static_assert(!rows::reads_x<rows::Relu> && rows::reads_y<rows::Relu>);
  static_assert(rows::reads_x<rows::Log> && !rows::reads_y<rows::Log>);
  static_assert(rows::reads_x<rows::Gelu> && !rows::reads_y<rows::Gelu>);
  static_assert(!rows::reads_x<rows::Neg> && !rows::reads_y<rows::Neg>);
  static_assert(!rows::reads_x<rows::Sign> && !rows::reads_y<rows::Sign>);
  static_assert(rows::probe_a<rows::Add>.is_g() && rows::probe_b<rows::Add>.is_g());
  static_assert(rows::probe_a<rows::Sub>.is_g() && !rows::probe_b<rows::Sub>.is_g());
  static_assert(rows::probe_a<rows::Mul>.reads(Probe::kB) && !rows::probe_a<rows::Mul>.reads(Probe::kA));
  static_assert(rows::probe_b<rows::Div>.reads(Probe::kA) && !rows::probe_b<rows::Div>.reads(Probe::kY));
  static_assert(rows::probe_a<rows::Where>.reads(Probe::kCondition) && !rows::probe_a<rows::Where>.reads(Probe::kA));
}

TEST(ElementwiseTable, ListsEveryRowOnce) {
  std::vector<std::string> names;
  kernels::rows::for_each_row([&](const auto& row) {
    EXPECT_EQ(static_cast<std::size_t>(row.id), names.size());
    names.emplace_back(row.name);
  });
  EXPECT_EQ(static_cast<int>(names.size()), kernels::rows::kRowCount);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(ElementwiseInteger, PowersWithNegativeExponentsTruncate) {
  const Tensor a = Tensor::from<std::int64_t>({1, -1, -1, 2, 0, -3}, {6}),
               b = Tensor::from<std::int64_t>({-5, -3, -2, -1, -1, 3}, {6});
  EXPECT_EQ(values<double>(kernels::pow(a, b)), (std::vector<double>{1, -1, 1, 0, 0, -27}));
}

TEST(ElementwiseInteger, ClampBoundsSaturateToTheDType) {
  const Tensor x = Tensor::from<std::uint8_t>({0, 7, 255}, {3});
  EXPECT_EQ(values<double>(kernels::clamp(x, -3, 1e9)), (std::vector<double>{0, 7, 255}));
  EXPECT_EQ(values<double>(kernels::clamp(x, 5, 100)), (std::vector<double>{5, 7, 100}));
}

// A bound that is cut to an integer would let 2 pass below 2.5.
TEST(ElementwiseInteger, ClampToBrokenBoundsIsFloating) {
  const Tensor x = Tensor::from<std::int64_t>({1, 3, 5}, {3});
  const Tensor y = kernels::clamp(x, 2.5, 3.5);
  EXPECT_EQ(y.dtype(), DType::f32);
  EXPECT_EQ(values<double>(y), (std::vector<double>{2.5, 3, 3.5}));
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(std::isnan(values<double>(kernels::clamp(x, kNan, 3))[0]));
  EXPECT_EQ(kernels::clamp(x, -kInfinity, 3).dtype(), DType::i64);
}

// As Python's % and //; 0 stands for what no integer is.
TEST(ElementwiseInteger, QuotientsRoundDownAndRemaindersHaveTheSignOfTheDivisor) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  const Tensor a = Tensor::from<std::int64_t>({7, -7, 7, -7, 6, 5, kLeast, kLeast, 0}, {9});
  const Tensor b = Tensor::from<std::int64_t>({3, 3, -3, -3, -3, 0, -1, 2, -4}, {9});
  using Integers = std::vector<std::int64_t>;
  EXPECT_EQ(values<std::int64_t>(kernels::floor_divide(a, b)), (Integers{2, -3, -3, 2, -2, 0, kLeast, kLeast / 2, 0}));
  EXPECT_EQ(values<std::int64_t>(kernels::remainder(a, b)), (Integers{1, 2, -2, -1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(values<std::int64_t>(kernels::fmod(a, b)), (Integers{1, -1, 1, -1, 0, 0, 0, 0, 0}));
  const Tensor bytes = Tensor::from<std::uint8_t>({250, 255, 3, 9}, {4});
  const Tensor divisors = Tensor::from<std::uint8_t>({255, 255, 0, 4}, {4});
  EXPECT_EQ(values<int>(kernels::floor_divide(bytes, divisors)), (std::vector<int>{0, 1, 0, 2}));
  EXPECT_EQ(values<int>(kernels::remainder(bytes, divisors)), (std::vector<int>{250, 0, 0, 1}));
  EXPECT_EQ(values<std::int64_t>(kernels::floor(a)), values<std::int64_t>(a));
}

// No step of the way there overflows, which a build with -fsanitize=undefined reports.
TEST(ElementwiseInteger, TheLargestDivisorAndBaseStayInRange) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const Tensor a = Tensor::from<std::int64_t>({5, -5, kMost, -1}, {4});
  const Tensor most = Tensor::from<std::int64_t>({kMost, kMost, kMost, kMost}, {4});
  using Integers = std::vector<std::int64_t>;
  EXPECT_EQ(values<std::int64_t>(kernels::fmod(a, most)), (Integers{5, -5, 0, -1}));
  EXPECT_EQ(values<std::int64_t>(kernels::remainder(a, most)), (Integers{5, kMost - 5, 0, kMost - 1}));
  EXPECT_EQ(values<std::int64_t>(kernels::floor_divide(a, most)), (Integers{0, -1, 1, -1}));
  const Tensor exponents = Tensor::from<std::int64_t>({-1, -2, 0, 1}, {4});
  EXPECT_EQ(values<std::int64_t>(kernels::pow(most, exponents)), (Integers{0, 0, 1, kMost}));
  const Tensor bytes = Tensor::from<std::uint8_t>({255, 254}, {2});
  EXPECT_EQ(values<int>(kernels::fmod(bytes, Tensor::from<std::uint8_t>({255, 255}, {2}))), (std::vector<int>{0, 254}));
}

TEST(ElementwiseInteger, ValuesBeyondADoublesPrecisionAreExact) {
  const std::int64_t big = (std::int64_t{1} << 62) + 1;
  const Tensor x = Tensor::from<std::int64_t>({big, -big}, {2});
  EXPECT_EQ(kernels::add(x, 1).data<std::int64_t>()[0], big + 1);
  EXPECT_EQ(kernels::abs(x).data<std::int64_t>()[1], big);
  EXPECT_TRUE(kernels::ne(x, Tensor::from<std::int64_t>({big - 1, -big}, {2})).data<bool>()[0]);
}

TEST(ElementwiseErrors, NameTheOperationAndBothShapes) {
  using testing::error_of;
  const Tensor a = random_tensor({2, 3}), b = random_tensor({4});
  EXPECT_EQ(error_of<ShapeError>([&] { kernels::mul(a, b); }), "[mul] shapes (2, 3) and (4) do not broadcast");
  EXPECT_EQ(error_of<DtypeError>([&] { kernels::where(a, a, a); }), "[where] expected a bool condition, got f32");
  EXPECT_EQ(error_of<DtypeError>([&] { kernels::neg(kernels::gt(a, 0)); }),
            "[neg] is not defined for bool: cast first, or use a logical operation");
  EXPECT_EQ(error_of<Error>([&] { kernels::add(a, Tensor()); }), "[add] expected a tensor, got an undefined one");
  EXPECT_EQ(error_of<ShapeError>([&] { kernels::mul_grad_a(b, a, a, Tensor()); }),
            "[mul] shapes (4) and (2, 3) do not broadcast");
  EXPECT_EQ(error_of<ShapeError>([&] { kernels::mul_grad_a(random_tensor({3}), a, a, Tensor()); }),
            "[mul gradient] expected operands that broadcast to the gradient's shape (3), got (2, 3)");
}

}  // namespace
}  // namespace hop
