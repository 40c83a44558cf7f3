// Every row of the table on the device against the CPU's: dtypes, sizes, layouts, broadcasting, aliasing, gradients,
// under every schedule. Arithmetic has the same bits on both; the rows in kUnits may differ by some units in the last
// place.
#include "kernels/elementwise.h"

#include <functional>
#include <map>
#include <ostream>

#include "kernels/view.h"
#include "tests/cuda/layouts.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::close;
using hop::testing::epsilon;
using hop::testing::fetch;
using hop::testing::for_each_schedule;
using hop::testing::mirror;
using hop::testing::random_tensor;
using hop::testing::same_bits;
using hop::testing::same_values;

constexpr DType kAllDTypes[] = {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean};
constexpr std::int64_t kSizes[] = {1, 31, 32, 33, 1023, 4099};

/// The range of the operands, and the distance that the device may have from the CPU: so many units in the last place
/// of the value. In gradients, and if the formula cancels, so many units in the last place of 1 are added.
struct Units {
  double low = -3, high = 3;
  double value = 0, gradient = 0;
  bool cancels = false;
};
const std::map<std::string, Units> kUnits = {
    {"sqrt", {0, 9}},
    {"rsqrt", {0.1, 9}},
    {"exp", {-3, 3, 4, 4}},
    {"expm1", {-3, 3, 4, 4}},
    {"log", {0.01, 9, 4, 0}},
    {"log1p", {-0.9, 9, 6, 0}},
    {"sin", {-9, 9, 4, 4}},
    {"cos", {-9, 9, 4, 4}},
    {"tan", {-1.3, 1.3, 8, 16}},
    {"asin", {-0.9, 0.9, 8, 16}},
    {"acos", {-0.9, 0.9, 8, 16}},
    {"atan", {-9, 9, 8, 8}},
    {"sinh", {-3, 3, 8, 8}},
    {"cosh", {-3, 3, 8, 8}},
    {"atan2", {-3, 3, 8, 16}},
    {"hypot", {-3, 3, 8, 8}},
    {"tanh", {-3, 3, 6, 16}},
    {"sigmoid", {-9, 9, 4, 8}},
    {"logsigmoid", {-9, 9, 8, 8}},
    {"erf", {-3, 3, 4, 8}},
    {"pow_scalar", {0.1, 3, 16, 16}},
    {"elu", {-3, 3, 4, 4}},
    {"silu", {-9, 9, 8, 16}},
    {"gelu", {-5, 5, 8, 16, true}},
    {"gelu_tanh", {-5, 5, 16, 32, true}},
    {"softplus", {-9, 30, 8, 8}},
    {"pow", {0.1, 3, 16, 32}},
};

/// A row with attributes, its types erased.
struct Row {
  std::string name, label;
  int arity;
  rows::Dtypes dtypes;
  std::function<Tensor(const std::vector<Tensor>&)> evaluate;
  std::function<Tensor(int, const Tensor& g, const std::vector<Tensor>&, const Tensor& y)> gradient;

  bool is_question() const { return dtypes == rows::Dtypes::truth; }
  bool takes(DType dtype) const { return dtypes != rows::Dtypes::number || dtype != DType::boolean; }
  Units units() const {
    const auto found = kUnits.find(name);
    return found == kUnits.end() ? Units{} : found->second;
  }
  bool is_condition(int k) const { return arity == 3 && k == 0; }
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.label; }

template <class R>
Row make_row(const R& row, const std::string& suffix = "") {
  Row erased{R::name, R::name + suffix, R::arity, R::dtypes, {}, {}};
  erased.evaluate = [row](const std::vector<Tensor>& x) {
    if constexpr (R::arity == 1)
      return evaluate(row, x[0]);
    else if constexpr (R::arity == 2)
      return evaluate(row, x[0], x[1]);
    else
      return evaluate(row, x[0], x[1], x[2]);
  };
  if constexpr (R::dtypes != rows::Dtypes::truth) {
    erased.gradient = [row](int k, const Tensor& g, const std::vector<Tensor>& x, const Tensor& y) {
      if constexpr (R::arity == 1)
        return gradient(row, g, x[0], y);
      else if constexpr (R::arity == 2)
        return k == 0 ? gradient_a(row, g, x[0], x[1], y) : gradient_b(row, g, x[0], x[1], y);
      else
        return k == 1 ? gradient_a(row, g, x[0], x[1], x[2], y) : gradient_b(row, g, x[0], x[1], x[2], y);
    };
  }
  return erased;
}

std::vector<Row> all_rows() {
  std::vector<Row> list;
  rows::for_each_row([&](const auto& row) { list.push_back(make_row(row)); });
  list.push_back(make_row(rows::PowScalar{-2.5}, "_m2p5"));
  list.push_back(make_row(rows::PowScalar{2}, "_2"));
  list.push_back(make_row(rows::Clamp{-1, 2}, "_m1_2"));
  list.push_back(make_row(rows::LeakyRelu{0.3}, "_0p3"));
  return list;
}

class CudaElementwise : public OnDevice, public ::testing::WithParamInterface<Row> {
 protected:
  const Row& row = GetParam();

  std::vector<Tensor> operands(const std::vector<Shape>& shapes, DType dtype) const {
    std::vector<Tensor> list;
    const bool from_zero = dtype == DType::u8 || row.name == "pow";
    for (int k = 0; k < row.arity; ++k) {
      const double low = is_floating(dtype) ? row.units().low : from_zero ? 0 : -5;
      const double high = is_floating(dtype) ? row.units().high : 6;
      list.push_back(random_tensor(shapes[static_cast<std::size_t>(k) % shapes.size()],
                                   row.is_condition(k) ? DType::boolean : dtype, static_cast<std::uint64_t>(k + 1), low,
                                   high));
    }
    return list;
  }

  /// Bit for bit where the row promises it.
  void expect_near(const Tensor& on_device, const Tensor& wanted, double units, bool cancels = false) const {
    const Tensor y = fetch(on_device);
    if (units == 0 || !is_floating(wanted.dtype())) {
      EXPECT_TRUE(same_values(y, wanted));
      return;
    }
    const double eps = epsilon(wanted.dtype(), units);
    EXPECT_EQ(y.dtype(), wanted.dtype());
    EXPECT_TRUE(close(y, hop::testing::values<double>(wanted), eps, cancels ? eps : 0));
  }
};

TEST_P(CudaElementwise, AgreesWithTheCpuForEveryDTypeAndSizeUnderEverySchedule) {
  for (const DType dtype : kAllDTypes) {
    if (!row.takes(dtype)) continue;
    for (const std::int64_t n : kSizes) {
      SCOPED_TRACE(std::string(name(dtype)) + " " + std::to_string(n));
      const auto x = operands({{n}}, dtype);
      const auto on_device = mirror(x);
      const Tensor wanted = row.evaluate(x);
      Tensor first;
      for_each_schedule([&] {
        const Tensor y = fetch(row.evaluate(on_device));
        if (!first.defined()) first = y;
        EXPECT_TRUE(same_bits(y, first));
      });
      expect_near(first, wanted, row.units().value, row.units().cancels);
    }
  }
}

TEST_P(CudaElementwise, HasTheGradientsOfTheCpuUnderEverySchedule) {
  if (row.is_question()) return;
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t n : kSizes) {
      SCOPED_TRACE(std::string(name(dtype)) + " " + std::to_string(n));
      const auto x = operands({{n}}, dtype);
      const Tensor g = random_tensor({n}, dtype, 99, -2, 2), y = row.evaluate(x);
      const auto x_there = mirror(x);
      const Tensor g_there = mirror(g), y_there = mirror(y);
      for (int k = row.arity == 3 ? 1 : 0; k < row.arity; ++k) {
        const Tensor wanted = row.gradient(k, g, x, y);
        Tensor first;
        for_each_schedule([&] {
          const Tensor dx = fetch(row.gradient(k, g_there, x_there, y_there));
          if (!first.defined()) first = dx;
          EXPECT_TRUE(same_bits(dx, first));
        });
        expect_near(first, wanted, row.units().gradient, true);
      }
    }
  }
}

// Packets, single elements and index walks must give an element the same bits.
TEST_P(CudaElementwise, GivesTheSameBitsInEveryLayoutAtEveryAlignment) {
  for (const DType dtype : {DType::f32, DType::f64, DType::u8}) {
    SCOPED_TRACE(std::string(name(dtype)));
    const auto x = operands({{3, 5, 8}}, dtype);
    const Tensor wanted = fetch(row.evaluate(mirror(x)));
    for (std::int64_t offset = 1; offset < 17; offset += 3) {
      auto moved = x;
      for (Tensor& t : moved) t = hop::testing::shifted(t, offset);
      ASSERT_TRUE(same_bits(fetch(row.evaluate(mirror(moved))), wanted)) << "offset " << offset;
    }
    for (std::size_t k = 0; k < x.size(); ++k) {
      for (const Tensor& other : hop::testing::layouts(x[k])) {
        auto moved = x;
        moved[k] = other;
        ASSERT_TRUE(same_bits(fetch(row.evaluate(mirror(moved))), wanted)) << "operand " << k;
      }
    }
  }
}

TEST_P(CudaElementwise, BroadcastsAsTheCpuDoes) {
  if (row.arity == 1) return;
  const std::vector<std::vector<Shape>> lists = {{{4, 5}, {5}},       {{4, 8}, {8}}, {{8, 4}, {8, 1}},
                                                 {{4, 1}, {1, 8}},    {{}, {4, 5}},  {{2, 3, 4, 4}, {1, 3, 1, 1}},
                                                 {{2, 1, 1}, {1, 0}}, {{7}, {1}}};
  for (const auto& shapes : lists) {
    SCOPED_TRACE(shapes[0].to_string() + " and " + shapes[1].to_string());
    const auto x = operands(shapes, DType::f32);
    expect_near(row.evaluate(mirror(x)), row.evaluate(x), row.units().value, row.units().cancels);
  }
}

TEST_P(CudaElementwise, ConvertsMixedDTypesAsTheCpuDoes) {
  if (row.arity == 1) return;
  for (const DType a : kAllDTypes) {
    for (const DType b : kAllDTypes) {
      SCOPED_TRACE(std::string(name(a)) + " and " + std::string(name(b)));
      if (!row.takes(a) && !row.takes(b)) continue;
      auto x = operands({{37}}, a);
      x.back() = operands({{37}}, b).back();
      expect_near(row.evaluate(mirror(x)), row.evaluate(x), row.units().value, row.units().cancels);
      x.back() = kernels::select(x.back(), 0, 5);  // without dimensions: a packet of one repeated element
      expect_near(row.evaluate(mirror(x)), row.evaluate(x), row.units().value, row.units().cancels);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, CudaElementwise, ::testing::ValuesIn(all_rows()),
                         [](const auto& test) { return test.param.label; });

// ---- what concerns no row in particular

using CudaElementwiseCall = OnDevice;

TEST_F(CudaElementwiseCall, TakesNumbersAsTheCpuDoes) {
  for (const DType dtype : kAllDTypes) {
    SCOPED_TRACE(std::string(name(dtype)));
    const Tensor x = random_tensor({33}, dtype, 1, 0, 9), there = mirror(x);
    EXPECT_TRUE(same_values(fetch(add(there, 2)), add(x, 2)));
    EXPECT_TRUE(same_values(fetch(mul(0.1, there)), mul(0.1, x)));
    EXPECT_TRUE(same_values(fetch(maximum(there, true)), maximum(x, true)));
    EXPECT_TRUE(same_values(fetch(lt(there, 2.5)), lt(x, 2.5)));
    EXPECT_TRUE(same_values(fetch(where(gt(there, 1), there, 1)), where(gt(x, 1), x, 1)));
  }
}

TEST_F(CudaElementwiseCall, MayWriteOverAnOperand) {
  for (const std::int64_t n : {5, 32, 1023}) {
    const Tensor y = random_tensor({n}), x = random_tensor({n}, DType::f32, 2);
    const Tensor there = mirror(y), x_there = mirror(x);
    evaluate_into(there, rows::Sub{}, there, x_there);
    evaluate_into(there, rows::Mul{}, x_there, there);
    evaluate_into(there, rows::Add{}, there, there);
    evaluate_into(y, rows::Sub{}, y, x);
    evaluate_into(y, rows::Mul{}, x, y);
    evaluate_into(y, rows::Add{}, y, y);
    EXPECT_TRUE(same_values(fetch(there), y));
  }
}

TEST_F(CudaElementwiseCall, WritesItsElementsAndNothingElse) {
  for (std::int64_t n = 1; n < 40; ++n) {
    for (const std::int64_t offset : {0, 4, 5}) {
      const Tensor room = random_tensor({50}), x = random_tensor({n}, DType::f32, 2), there = mirror(room);
      evaluate_into(room.as_strided({n}, {1}, offset), rows::Add{}, x, 1);
      evaluate_into(there.as_strided({n}, {1}, offset), rows::Add{}, mirror(x), 1);
      ASSERT_TRUE(same_values(fetch(there), room)) << n << " elements from " << offset;
    }
  }
}

TEST_F(CudaElementwiseCall, TakesSeveralElementsPerThreadWhereBlocksAreFew) {
  const hop::testing::FewBlocks few;
  const Tensor a = random_tensor({4099}), b = random_tensor({4099}, DType::f32, 2);
  EXPECT_TRUE(same_values(fetch(add(mirror(a), mirror(b))), add(a, b)));
  const Tensor matrix = random_tensor({60, 68}), column = random_tensor({60, 1});
  EXPECT_TRUE(same_values(fetch(mul(mirror(matrix), mirror(column))), mul(matrix, column)));
}

TEST_F(CudaElementwiseCall, TreatsSpecialValuesAsTheCpuDoes) {
  using Limits = std::numeric_limits<float>;
  const std::vector<float> special = {0.0F,
                                      -0.0F,
                                      Limits::infinity(),
                                      -Limits::infinity(),
                                      Limits::quiet_NaN(),
                                      Limits::denorm_min(),
                                      -1e-39F,
                                      Limits::min(),
                                      Limits::max(),
                                      1.0F,
                                      -2.0F,
                                      3.5F};
  const auto n = static_cast<std::int64_t>(special.size());
  const Tensor a = Tensor::from<float>(special, {n, 1}), b = Tensor::from<float>(special, {n});
  const Tensor a_there = mirror(a), b_there = mirror(b);
  rows::for_each_row([&]<class R>(const R& r) {
    if (kUnits.contains(R::name)) return;
    SCOPED_TRACE(R::name);
    if constexpr (R::arity == 1) {
      EXPECT_TRUE(same_values(fetch(evaluate(r, a_there)), evaluate(r, a)));
    } else if constexpr (R::arity == 2) {
      EXPECT_TRUE(same_values(fetch(evaluate(r, a_there, b_there)), evaluate(r, a, b)));
    }
  });
}

// A bool from outside may be any byte.
TEST_F(CudaElementwiseCall, ReadsEveryByteButZeroAsTrue) {
  Tensor x = Tensor::empty({19}, DType::boolean);
  std::memset(x.raw_data(), 7, 19);
  EXPECT_EQ(hop::testing::values<int>(fetch(add(mirror(x), 0))), std::vector<int>(19, 1));
  EXPECT_EQ(hop::testing::values<float>(fetch(mul(mirror(x), 2.5))), std::vector<float>(19, 2.5F));
}

}  // namespace
}  // namespace hop::kernels::cuda
