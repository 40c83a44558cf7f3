// The loops below the public calls: accuracy over the whole range, special values, what they write, and the two builds.
#include <bit>
#include <limits>

#include "base/hash.h"
#include "kernels/cpu/isa_internal.h"
#include "kernels/cpu/line_internal.h"
#include "tests/kernels/elementwise_case.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using kernels::Line;
using kernels::LineKernel;
using kernels::RowKernels;
using testing::elementwise_cases;
using testing::ElementwiseCase;

using Table = std::vector<RowKernels>;

const Table& table(kernels::Isa isa) {
  const auto build = [](auto... add) {
    Table t(kernels::rows::kRowCount);
    (add(t.data()), ...);
    return t;
  };
  using namespace kernels;
  if (isa == Isa::v4) {  // built only where it is asked for: the functions that build it are AVX-512, too
    static const Table v4_table = build(v4::add_unary_rows, v4::add_binary_rows, v4::add_truth_rows);
    return v4_table;
  }
  static const Table v3_table = build(v3::add_unary_rows, v3::add_binary_rows, v3::add_truth_rows);
  return v3_table;
}

std::vector<kernels::Isa> isas() {
  if (kernels::current_isa() == kernels::Isa::v3) return {kernels::Isa::v3};
  return {kernels::Isa::v3, kernels::Isa::v4};
}

LineKernel value_loop(kernels::Isa isa, const ElementwiseCase& op, DType dtype) {
  return table(isa)[static_cast<std::size_t>(op.id)].value[static_cast<int>(dtype)];
}

// y_i = op(x_0[i], x_1[i], ..) through the loop for T.
template <class T>
std::vector<double> run(kernels::Isa isa, const ElementwiseCase& op, const std::vector<std::vector<T>>& x) {
  Line line{static_cast<std::int64_t>(x[0].size()), nullptr, {}, {}, {}};
  for (std::size_t k = 0; k < x.size(); ++k) {
    line.in[k] = reinterpret_cast<const std::byte*>(x[k].data());
    line.stride[k] = sizeof(T);
    line.dtype[k] = dtype_of<T>();
  }
  const LineKernel loop = value_loop(isa, op, dtype_of<T>());
  if (op.is_question()) {
    std::vector<std::uint8_t> y(x[0].size());
    line.out = reinterpret_cast<std::byte*>(y.data());
    loop(line, op.row.data());
    return {y.begin(), y.end()};
  }
  std::vector<T> y(x[0].size());
  line.out = reinterpret_cast<std::byte*>(y.data());
  loop(line, op.row.data());
  return {y.begin(), y.end()};
}

template <class T>
double reference(const ElementwiseCase& op, const std::vector<std::vector<T>>& x, std::size_t i) {
  double operands[3] = {};
  for (std::size_t k = 0; k < x.size(); ++k) operands[k] = static_cast<double>(x[k][i]);
  return op.reference.value(std::span(operands, x.size()), op.attributes);
}

class ElementwiseLoop : public ::testing::TestWithParam<ElementwiseCase> {
 protected:
  const ElementwiseCase& op = GetParam();

  // Operands in the reference's domain.
  template <class T>
  std::vector<std::vector<T>> operands(std::int64_t n) const {
    std::vector<std::vector<T>> x;
    for (int k = 0; k < op.arity; ++k) {
      const bool condition = op.arity == 3 && k == 0;
      const Tensor t = testing::random_tensor({n}, DType::f64, static_cast<std::uint64_t>(k + 1),
                                              condition ? 0 : op.reference.low, condition ? 2 : op.reference.high);
      std::vector<T> column;
      for (const double v : testing::values<double>(t)) column.push_back(static_cast<T>(condition ? std::floor(v) : v));
      x.push_back(column);
    }
    return x;
  }
};

TEST_P(ElementwiseLoop, StaysWithinAFewUnitsOfTheReferenceInBothBuilds) {
  const auto x = operands<float>(100003);
  for (const auto isa : isas()) {
    const auto y = run(isa, op, x);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double wanted = reference(op, x, i);
      const double error = std::abs(y[i] - wanted);
      ASSERT_LE(error, op.reference.relative * std::abs(wanted) + op.reference.absolute) << "x = " << x[0][i];
    }
  }
}

TEST_P(ElementwiseLoop, WritesItsElementsAndNothingElse) {
  constexpr std::size_t kGuard = 64;
  for (const auto isa : isas()) {
    for (const std::size_t n : {1, 7, 8, 15, 16, 17, 31, 33, 100}) {
      const auto x = operands<float>(static_cast<std::int64_t>(n));
      const std::size_t size = op.is_question() ? 1 : sizeof(float);
      std::vector<unsigned char> room(2 * kGuard + n * size, 0xAB);
      Line line{static_cast<std::int64_t>(n), reinterpret_cast<std::byte*>(room.data() + kGuard), {}, {}, {}};
      for (std::size_t k = 0; k < x.size(); ++k) {
        line.in[k] = reinterpret_cast<const std::byte*>(x[k].data());
        line.stride[k] = sizeof(float);
        line.dtype[k] = DType::f32;
      }
      value_loop(isa, op, DType::f32)(line, op.row.data());
      const auto untouched = [](unsigned char c) { return c == 0xAB; };
      EXPECT_TRUE(std::all_of(room.begin(), room.begin() + kGuard, untouched)) << n;
      EXPECT_TRUE(std::all_of(room.end() - kGuard, room.end(), untouched)) << n;
    }
  }
}

// Infinities, NaN, both zeros, denormals, the largest and the smallest: each against each.
TEST_P(ElementwiseLoop, TreatsSpecialValuesAsIeee754AndPyTorchDo) {
  using Limits = std::numeric_limits<float>;
  const float special[] = {0.0F,
                           -0.0F,
                           Limits::infinity(),
                           -Limits::infinity(),
                           Limits::quiet_NaN(),
                           Limits::denorm_min(),
                           -Limits::denorm_min(),
                           1e-39F,
                           -1e-39F,
                           Limits::min(),
                           Limits::max(),
                           -Limits::max(),
                           1.0F,
                           -1.0F,
                           0.5F,
                           2.0F,
                           3.0F,
                           -3.0F,
                           88.6F,
                           -87.2F,
                           89.0F,
                           -104.5F,
                           1e-8F,
                           -1e-8F,
                           1e10F,
                           -1e10F,
                           1e38F};
  std::vector<std::vector<float>> x(static_cast<std::size_t>(op.arity));
  for (const float a : special) {
    for (const float b : special) {
      if (op.arity == 3) x[0].push_back(b > 0 ? 1.0F : 0.0F);
      x[op.arity == 3 ? 1 : 0].push_back(a);
      if (op.arity > 1) x.back().push_back(b);
    }
  }
  for (const auto isa : isas()) {
    const auto y = run(isa, op, x);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double exact = reference(op, x, i);
      const auto wanted = static_cast<double>(static_cast<float>(exact));
      std::string at = "x =";
      for (const auto& column : x) at += " " + std::to_string(column[i]);
      if (std::isnan(wanted)) {
        // x sigmoid(x) and x cdf(x) are 0 at -infinity in the limit; the formula, PyTorch's, gives NaN.
        EXPECT_TRUE(std::isnan(y[i])) << at << " gives " << y[i];
      } else if (std::isinf(wanted) || wanted == 0) {
        const bool limit = (op.name == "silu" || op.name.starts_with("gelu")) && (std::isnan(y[i]) || y[i] == 0);
        const bool underflow = std::abs(y[i]) < 1e-37 && exact != 0;
        EXPECT_TRUE(y[i] == wanted || limit || underflow) << at << " gives " << y[i] << ", expected " << wanted;
      } else {
        // Below the smallest normal number 1 / (1 + exp(-x)) underflows: as in PyTorch.
        const bool underflows = op.name == "sigmoid" || op.name == "logsigmoid" || op.name == "silu" ||
                                op.name == "softplus" || op.name == "gelu_tanh";
        const double absolute = underflows ? 1e-36 : 3e-45;
        EXPECT_LE(std::abs(y[i] - wanted), std::abs(wanted) * op.reference.relative + op.reference.absolute + absolute)
            << at;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, ElementwiseLoop, ::testing::ValuesIn(elementwise_cases()),
                         [](const auto& test) { return testing::case_name(test.param); });

const ElementwiseCase& find(const std::string& name) {
  for (const ElementwiseCase& op : elementwise_cases()) {
    if (op.name == name) return op;
  }
  throw std::logic_error("no row " + name);
}

// Every exponent and sign, 16,000 floats per binade or so.
TEST(ElementwiseAccuracy, OfTheTranscendentalFunctionsHoldsOverAllFloats) {
  for (const char* name : {"exp", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
                           "tanh", "erf", "sqrt", "rsqrt"}) {
    const ElementwiseCase& op = find(name);
    std::vector<std::vector<float>> x(1);
    for (std::uint64_t u = 0; u < std::uint64_t{1} << 32; u += 8009)
      x[0].push_back(std::bit_cast<float>(static_cast<std::uint32_t>(u)));
    for (const auto isa : isas()) {
      const auto y = run(isa, op, x);
      double worst = 0;
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double exact = reference(op, x, i);
        const auto wanted = static_cast<double>(static_cast<float>(exact));
        if (std::isnan(exact)) {
          ASSERT_TRUE(std::isnan(y[i])) << name << " of " << x[0][i];
        } else if (!std::isnormal(static_cast<float>(exact))) {
          ASSERT_TRUE(y[i] == wanted || std::abs(y[i] - exact) < 3e-45) << name << " of " << x[0][i] << ": " << y[i];
        } else {
          worst = std::max(worst, std::abs(y[i] - exact) / std::abs(exact));
        }
      }
      EXPECT_LE(worst, 4e-7) << name;
    }
  }
}

TEST(ElementwiseAccuracy, KeepsTheSignOfZero) {
  const std::vector<std::vector<float>> x = {{-0.0F}};
  for (const auto isa : isas()) {
    for (const char* name : {"expm1", "log1p", "sin", "tan", "asin", "atan", "sinh", "tanh", "erf", "sqrt", "floor",
                             "ceil", "trunc", "round"}) {
      EXPECT_TRUE(std::signbit(run(isa, find(name), x)[0])) << name;
    }
    EXPECT_FALSE(std::signbit(run(isa, find("abs"), x)[0]));
    const std::vector<std::vector<float>> powers = {{-0.0F, -0.0F}, {3.0F, -3.0F}};
    EXPECT_TRUE(std::signbit(run(isa, find("pow"), powers)[0]));
    EXPECT_EQ(run(isa, find("pow"), powers)[1], -std::numeric_limits<double>::infinity());
  }
}

// An input of another dtype or stride is converted a buffer at a time: lines longer than the buffer, every dtype.
TEST(ElementwiseLine, ConvertsItsInputsOnTheWay) {
  const ElementwiseCase& op = find("sub");
  for (const auto isa : isas()) {
    for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean}) {
      const Tensor a = testing::random_tensor({1400}, dtype, 3, 0, 5);
      const std::vector<float> b(700, 0.5F);
      std::vector<float> y(700);
      const auto size = static_cast<std::int64_t>(size_of(dtype));
      const Line line{700,
                      reinterpret_cast<std::byte*>(y.data()),
                      {a.raw_data(), reinterpret_cast<const std::byte*>(b.data())},
                      {2 * size, 4},
                      {dtype, DType::f32}};
      value_loop(isa, op, DType::f32)(line, op.row.data());
      const auto x = testing::values<float>(a);
      for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], x[2 * i] - 0.5F) << name(dtype) << " " << i;
    }
  }
}

}  // namespace
}  // namespace hop
