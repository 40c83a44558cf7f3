// Numbers beside tensors whose dtype cannot hold them.
#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using testing::error_of;
using testing::values;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr DType kIntegers[] = {DType::i64, DType::i32, DType::u8};

/// The values of a dtype that are easily got wrong, in a tensor of one dimension.
Tensor extremes(DType dtype) {
  return visit_dtype(dtype, []<class T>(T) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_same_v<T, bool>) {
      return Tensor::from<bool>({false, true}, {2});
    } else if constexpr (std::is_floating_point_v<T>) {
      return Tensor::from<T>({T{0}, T{1}, T{-1}, T{2.5}, Limits::max(), Limits::lowest(), Limits::infinity(),
                              -Limits::infinity(), Limits::denorm_min()},
                             {9});
    } else {
      return Tensor::from<T>({T{0}, T{1}, T{5}, T{44}, T{200}, Limits::max(), Limits::min()}, {7});
    }
  });
}

/// Numbers that one dtype or another cannot hold.
std::vector<Scalar> numbers() {
  return {0,
          1,
          -1,
          2,
          44,
          255,
          256,
          257,
          -19,
          300,
          std::int64_t{3000000000},
          std::int64_t{-3000000000},
          std::numeric_limits<std::int32_t>::max(),
          std::numeric_limits<std::int64_t>::max(),
          std::numeric_limits<std::int64_t>::min(),
          std::uint64_t{1} << 63,
          std::numeric_limits<std::uint64_t>::max(),
          0.5,
          -0.5,
          254.5,
          3e9,
          -3e9,
          1e300,
          -1e300,
          1e-300,
          kInfinity,
          -kInfinity,
          true,
          false};
}

using Exact = long double;  // 64 bits of mantissa
Exact exact(const Scalar& number) { return number.to<Exact>(); }

TEST(ComparisonWithANumber, IsThatOfTheExactValuesForEveryDType) {
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean}) {
    const Tensor x = extremes(dtype);
    const std::vector<Exact> exact_x = values<Exact>(x);
    for (const Scalar& number : numbers()) {
      const Exact n = exact(number);
      const std::pair<Tensor, std::function<bool(Exact)>> answers[] = {
          {kernels::eq(x, number), [n](Exact v) { return v == n; }},
          {kernels::ne(x, number), [n](Exact v) { return v != n; }},
          {kernels::lt(x, number), [n](Exact v) { return v < n; }},
          {kernels::le(x, number), [n](Exact v) { return v <= n; }},
          {kernels::gt(x, number), [n](Exact v) { return v > n; }},
          {kernels::ge(x, number), [n](Exact v) { return v >= n; }},
          {kernels::lt(number, x), [n](Exact v) { return n < v; }},
          {kernels::ge(number, x), [n](Exact v) { return n >= v; }},
          {kernels::logical_and(x, number), [n](Exact v) { return v != 0 && n != 0; }},
          {kernels::logical_or(x, number), [n](Exact v) { return v != 0 || n != 0; }}};
      for (std::size_t a = 0; a < std::size(answers); ++a) {
        const auto got = values<int>(answers[a].first);
        for (std::size_t i = 0; i < exact_x.size(); ++i) {
          EXPECT_EQ(got[i], int{answers[a].second(exact_x[i])})
              << name(dtype) << " value " << i << ", number " << number.to_string() << ", comparison " << a;
        }
      }
    }
  }
}

TEST(ComparisonOfIntegers, IsExactWhateverTheirDTypesAndDimensions) {
  for (const DType a : kIntegers) {
    for (const DType b : kIntegers) {
      const Tensor x = extremes(a), others = extremes(b);
      const auto exact_x = values<std::int64_t>(x), exact_others = values<std::int64_t>(others);
      for (std::size_t k = 0; k < exact_others.size(); ++k) {
        const auto at = static_cast<std::int64_t>(k);
        for (const Shape& shape : {Shape{}, Shape{1}}) {
          const Tensor other = others.as_strided(shape, contiguous_strides(shape), at);
          const auto equal = values<int>(kernels::eq(x, other)), less = values<int>(kernels::lt(other, x));
          for (std::size_t i = 0; i < exact_x.size(); ++i) {
            EXPECT_EQ(equal[i], int{exact_x[i] == exact_others[k]}) << name(a) << " " << name(b);
            EXPECT_EQ(less[i], int{exact_others[k] < exact_x[i]}) << name(a) << " " << name(b);
          }
        }
      }
    }
  }
}

TEST(ComparisonOfIntegersWithFloats, RoundsNoInteger) {
  const Tensor large = Tensor::from<std::int64_t>({16'777'217}, {1}),
               small = Tensor::from<std::int32_t>({16'777'217}, {});
  for (const Tensor& integers : {large, small}) {
    for (const Shape& shape : {Shape{}, Shape{1}}) {
      const Tensor floats = kernels::full(shape, 16'777'216, DType::f32);
      EXPECT_EQ(kernels::eq(integers, floats).data<bool>()[0], false);
      EXPECT_EQ(kernels::gt(integers, floats).data<bool>()[0], true);
      EXPECT_EQ(kernels::ge(floats, integers).data<bool>()[0], false);
    }
  }
}

// C++ leaves the value open. The vector part and the tail of the loop give the same one.
TEST(NumberOutsideTheDType, WrapsAroundWhenAFloatBecomesAByte) {
  for (const DType from : {DType::f32, DType::f64}) {
    const Tensor bytes = kernels::cast(kernels::full({67}, -1, from), DType::u8);
    const Tensor more = kernels::cast(kernels::full({67}, 300, from), DType::u8);
    for (std::int64_t i = 0; i < bytes.numel(); ++i) {
      EXPECT_EQ(bytes.data<std::uint8_t>()[i], 255) << i;
      EXPECT_EQ(more.data<std::uint8_t>()[i], 44) << i;
    }
  }
}

TEST(NumberOutsideTheDType, FillsNoTensor) {
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean}) {
    std::vector<Scalar> list = numbers();
    list.push_back(std::nan(""));
    for (const Scalar& number : list) {
      const Exact n = exact(number);
      const bool fits = visit_dtype(dtype, [&]<class T>(T) {
        if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double>) return true;
        using Limits = std::numeric_limits<T>;
        if constexpr (std::is_same_v<T, float>) return !std::isfinite(n) || std::fabs(n) <= Exact{Limits::max()};
        return std::trunc(n) >= Exact{Limits::min()} && std::trunc(n) <= Exact{Limits::max()};
      });
      const std::string text = std::string(name(dtype)) + ", " + number.to_string();
      const Tensor y = Tensor::empty({2}, dtype);
      if (!fits) {
        EXPECT_THROW(kernels::full({2}, number, dtype), DtypeError) << text;
        EXPECT_THROW(kernels::fill_(y, number), DtypeError) << text;
        continue;
      }
      kernels::fill_(y, number);
      EXPECT_TRUE(testing::same_bits(kernels::full({2}, number, dtype), y)) << text;
      if (std::isnan(n) || dtype == DType::boolean) continue;
      const Exact wanted = dtype == DType::f32   ? Exact{static_cast<float>(n)}
                           : dtype == DType::f64 ? Exact{static_cast<double>(n)}
                                                 : std::trunc(n);
      EXPECT_EQ(values<Exact>(y)[1], wanted) << text;
    }
  }
  EXPECT_EQ(error_of<DtypeError>([] { kernels::full({1}, 300, DType::u8); }),
            "[full] expected a number that u8 holds, got 300");
}

TEST(NumberOutsideTheDType, IsANearbyOneForTheLargerAndWrapsInSums) {
  const Tensor u = Tensor::from<std::uint8_t>({1, 200}, {2});
  using Values = std::vector<int>;
  EXPECT_EQ(values<int>(kernels::maximum(u, -1)), (Values{1, 200}));
  EXPECT_EQ(values<int>(kernels::minimum(u, 300)), (Values{1, 200}));
  EXPECT_EQ(values<int>(kernels::minimum(300, u)), (Values{1, 200}));
  EXPECT_EQ(values<int>(kernels::maximum(u, std::numeric_limits<std::uint64_t>::max())), (Values{255, 255}));
  EXPECT_EQ(values<int>(kernels::add(u, 256)), (Values{1, 200}));
  EXPECT_EQ(values<int>(kernels::sub(u, 257)), (Values{0, 199}));
  EXPECT_EQ(values<int>(kernels::mul(u, -1)), (Values{255, 56}));
  EXPECT_EQ(kernels::add(Tensor::from<double>({0}, {1}), std::uint64_t{1} << 63).item<double>(), 0x1p63);
  const Tensor condition = Tensor::from<bool>({true, false}, {2});
  EXPECT_THROW(kernels::where(condition, u, 300), DtypeError);
  EXPECT_THROW(kernels::pow(u, 256), DtypeError);
  EXPECT_EQ(values<int>(kernels::where(condition, u, 255)), (Values{1, 255}));
}

template <class T>
void expect_wrapping() {
  constexpr T kLeast = std::numeric_limits<T>::min(), kMost = std::numeric_limits<T>::max();
  for (const std::int64_t n : {1, 3, 67}) {  // within a vector, and beyond
    const Tensor least = kernels::full({n}, kLeast, dtype_of<T>()), most = kernels::full({n}, kMost, dtype_of<T>());
    const std::vector<T> leasts(n, kLeast), mosts(n, kMost);
    EXPECT_EQ(values<T>(kernels::neg(least)), leasts);
    EXPECT_EQ(values<T>(kernels::abs(least)), leasts);
    EXPECT_EQ(values<T>(kernels::square(most)), std::vector<T>(n, 1));
    EXPECT_EQ(values<T>(kernels::add(most, 1)), leasts);
    EXPECT_EQ(values<T>(kernels::sub(least, 1)), mosts);
    EXPECT_EQ(values<T>(kernels::mul(most, most)), std::vector<T>(n, 1));
  }
}

TEST(NumberOutsideTheDType, WrapsAroundInIntegerArithmetic) {
  expect_wrapping<std::int32_t>();
  expect_wrapping<std::int64_t>();
  const Tensor most = Tensor::from<std::int64_t>({std::numeric_limits<std::int64_t>::max(), 1}, {2});
  EXPECT_EQ(kernels::sum(most).item<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
}

TEST(Arange, EndsWithAnErrorWhereItsDTypeEnds) {
  EXPECT_EQ(kernels::arange(256, DType::u8).numel(), 256);
  EXPECT_EQ(error_of<DtypeError>([] { kernels::arange(300, DType::u8); }),
            "[arange] expected numbers that u8 holds, got 0..299");
  EXPECT_THROW(kernels::arange((std::int64_t{1} << 31) + 1, DType::i32), DtypeError);
  EXPECT_THROW(kernels::arange(3, DType::boolean), DtypeError);
  EXPECT_EQ(kernels::arange(2, DType::boolean).numel(), 2);
}

TEST(Uniform, TakesARangeThatItsDTypeHoldsAndNoOther) {
  const Tensor x = Tensor::empty({8}, DType::f32), wide = Tensor::empty({8}, DType::f64);
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {-3e38, 3e38}, {-kInfinity, 1}, {0, kInfinity}, {std::nan(""), 1}, {0, std::nan("")}, {1, 0}, {0, 1e39}}) {
    EXPECT_THROW(kernels::uniform_(x, low, high, {}), ConfigError) << low << " " << high;
  }
  kernels::uniform_(wide, -3e38, 3e38, {});
  EXPECT_LT(kernels::min(wide).item<double>(), 0);
  EXPECT_THROW(kernels::uniform_(wide, -1e308, 1e308, {}), ConfigError);
  kernels::uniform_(x, 2, 2, {});
  EXPECT_EQ(values<double>(x), std::vector<double>(8, 2));
  EXPECT_THROW(kernels::normal_(x, kInfinity, 1, {}), ConfigError);
  EXPECT_THROW(kernels::normal_(x, 0, std::nan(""), {}), ConfigError);
}

TEST(Dropout, OfEverythingLeavesZeros) {
  const Tensor x = Tensor::from<float>({1, -1, 3}, {3});
  EXPECT_EQ(values<float>(kernels::dropout(x, 1, {})), (std::vector<float>{0, 0, 0}));
  for (const double p : {-0.1, 1.1, std::nan("")}) EXPECT_THROW(kernels::dropout(x, p, {}), ConfigError);
}

TEST(Softmax, OfANumberIsOneAndOfNothingNothing) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = kernels::full({}, 7, dtype);
    EXPECT_EQ(kernels::softmax(x).item<double>(), 1);
    EXPECT_EQ(kernels::log_softmax(x).item<double>(), 0);
    EXPECT_EQ(kernels::softmax(x).shape(), Shape());
    EXPECT_EQ(kernels::softmax_grad(x, kernels::softmax(x)).item<double>(), 0);
    EXPECT_TRUE(std::isnan(kernels::softmax(kernels::full({}, std::nan(""), dtype)).item<double>()));
    EXPECT_EQ(kernels::softmax(kernels::zeros({3, 0}, dtype)).shape(), (Shape{3, 0}));
    EXPECT_EQ(kernels::log_softmax(kernels::zeros({0}, dtype)).shape(), Shape{0});
  }
}

TEST(Cat, StartsWithNothing) {
  const Tensor empty = kernels::zeros({0}), x = Tensor::from<float>({1, 2, 3, 4}, {2, 2});
  const auto cat = [](const std::vector<Tensor>& parts, std::int64_t dim) { return kernels::cat(parts, dim); };
  for (const int dim : {0, 1}) {
    EXPECT_TRUE(testing::same_bits(cat({empty, x, empty}, dim), x));
    EXPECT_TRUE(testing::same_bits(cat({x, empty, x}, dim), cat({x, x}, dim)));
  }
  EXPECT_EQ(cat({empty, empty}, 0).shape(), Shape{0});
  EXPECT_EQ(cat({kernels::zeros({0}, DType::f64), x}, 0).dtype(), DType::f64);
  EXPECT_THROW(cat({kernels::zeros({0, 3}), x}, 0), ShapeError);
  EXPECT_THROW(cat({empty, kernels::zeros({})}, 0), ShapeError);
}

}  // namespace
}  // namespace hop
