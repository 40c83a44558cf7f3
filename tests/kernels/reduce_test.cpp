#include "kernels/reduce.h"

#include <functional>
#include <limits>

#include "base/error.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;
using Dims = std::vector<std::int64_t>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The values that meet in each output, by counting through all elements.
std::vector<std::vector<double>> groups(const Tensor& x, const Dims& dims) {
  std::vector<bool> reduced(static_cast<std::size_t>(x.dim()), dims.empty());
  for (const std::int64_t d : dims) reduced[static_cast<std::size_t>(d < 0 ? d + x.dim() : d)] = true;
  const std::vector<double> all = values<double>(x);
  std::int64_t outputs = 1;
  for (int d = 0; d < x.dim(); ++d) outputs *= reduced[static_cast<std::size_t>(d)] ? 1 : x.shape()[d];
  std::vector<std::vector<double>> result(static_cast<std::size_t>(outputs));
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::size_t rest = i, output = 0, step = 1;
    for (int d = x.dim() - 1; d >= 0; --d) {
      const auto size = static_cast<std::size_t>(x.shape()[d]);
      if (!reduced[static_cast<std::size_t>(d)]) {
        output += rest % size * step;
        step *= size;
      }
      rest /= size;
    }
    result[output].push_back(all[i]);
  }
  return result;
}

double exact_sum(const std::vector<double>& v) {
  long double s = 0;
  for (const double x : v) s += x;
  return static_cast<double>(s);
}
double exact_var(const std::vector<double>& v) {
  const long double mean = exact_sum(v) / static_cast<long double>(v.size());
  long double s = 0;
  for (const double x : v) s += (x - mean) * (x - mean);
  return static_cast<double>(s / static_cast<long double>(v.size() - 1));
}

std::vector<double> expected(const Tensor& x, const Dims& dims,
                             const std::function<double(const std::vector<double>&)>& f) {
  std::vector<double> result;
  for (const auto& group : groups(x, dims)) result.push_back(f(group));
  return result;
}

struct Case {
  Shape shape;
  Dims dims;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {{1}, {}},
      {{17}, {}},
      {{1000}, {0}},
      {{3, 5}, {}},
      {{37, 10}, {0}},
      {{37, 10}, {1}},
      {{33, 70}, {0}},
      {{70, 33}, {-1}},
      {{5, 1, 7}, {1}},
      {{4, 6, 5, 3}, {0, 2, 3}},
      {{4, 6, 9}, {0, 2}},
      {{4, 6, 9}, {1}},
      {{3, 4, 5, 6}, {1, 3}},
      {{3, 4, 5, 6}, {0, 1}},
      {{7, 3, 19, 1}, {2, 3}},
      {{2, 1100}, {1}},
      {{1100, 18}, {0}},
      {{2, 3, 700}, {0, 2}},
      {{2, 17, 3, 2}, {2}},
      {{2, 3, 2, 2, 3, 2}, {1, 3, 5}},
  };
  return list;
}

TEST(Reduce, SumMeanVarMaxMinAgreeWithLongDoubleOverOddShapesAndAnyDims) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Case& c : cases()) {
      SCOPED_TRACE(c.shape.to_string());
      const Tensor x = random_tensor(c.shape, dtype);
      const double n = static_cast<double>(x.numel());
      EXPECT_TRUE(close(sum(x, c.dims), expected(x, c.dims, exact_sum), epsilon(dtype), epsilon(dtype) * std::sqrt(n)));
      const auto mean_of = [](const auto& v) { return exact_sum(v) / static_cast<double>(v.size()); };
      EXPECT_TRUE(close(mean(x, c.dims), expected(x, c.dims, mean_of), epsilon(dtype), epsilon(dtype)));
      const auto max_of = [](const auto& v) { return *std::max_element(v.begin(), v.end()); };
      EXPECT_TRUE(close(max(x, c.dims), expected(x, c.dims, max_of), 0, 0));
      const auto min_of = [](const auto& v) { return *std::min_element(v.begin(), v.end()); };
      EXPECT_TRUE(close(min(x, c.dims), expected(x, c.dims, min_of), 0, 0));
      EXPECT_TRUE(close(var(x, c.dims),
                        expected(x, c.dims, [](const auto& v) { return v.size() < 2 ? kNan : exact_var(v); }),
                        epsilon(dtype), epsilon(dtype)));
    }
  }
}

TEST(Reduce, TheSameValuesGiveTheSameBitsInEveryLayoutAtEveryAddressOnAnyNumberOfThreads) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Case& c : cases()) {
      if (c.shape.size() > 4) continue;
      SCOPED_TRACE(c.shape.to_string());
      const Tensor x = random_tensor(c.shape, dtype);
      std::vector<Tensor> variants = layouts(x);
      for (std::int64_t offset = 0; offset < 16; ++offset) variants.push_back(shifted(x, offset));
      for (const auto& op : {sum, mean, max, min}) {
        const Tensor golden = op(x, c.dims, false);
        for (const Tensor& v : variants) ASSERT_TRUE(same_bits(op(v, c.dims, false), golden));
        const ComputeThreads two(2);
        ASSERT_TRUE(same_bits(op(x, c.dims, false), golden));
      }
      const Tensor golden = var(x, c.dims);
      for (const Tensor& v : variants) ASSERT_TRUE(same_bits(var(v, c.dims), golden));
    }
  }
}

TEST(Reduce, DimensionsOfSizeOneDoNotChangeTheBits) {
  const Tensor x = random_tensor({37, 10, 21});
  const auto sum_as = [&](const Shape& shape, const Dims& dims) {
    const Tensor y = sum(x.as_strided(shape, contiguous_strides(shape), 0), dims);
    return y.as_strided({y.numel()}, {1}, 0);
  };
  EXPECT_TRUE(same_bits(sum_as({37, 1, 10, 1, 21}, {0, 2}), sum_as({37, 10, 21}, {0, 1})));
  EXPECT_TRUE(same_bits(sum_as({37, 10, 1, 21, 1}, {1, 3}), sum_as({37, 10, 21}, {1, 2})));
  EXPECT_TRUE(same_bits(sum_as({1, 37, 10, 21, 1}, {1, 3}), sum_as({37, 10, 21}, {0, 2})));
}

TEST(Reduce, TwoThreadsGiveTheBitsOfOneWhenTheWorkIsDivided) {
  for (const Case& c : {Case{{300, 1000}, {1}}, Case{{1000, 300}, {0}}, Case{{16, 64, 14, 14}, {0, 2, 3}}}) {
    const Tensor x = random_tensor(c.shape);
    const Tensor golden = sum(x, c.dims);
    const ComputeThreads two(2);
    EXPECT_TRUE(same_bits(sum(x, c.dims), golden));
  }
}

TEST(Reduce, ALongSumInFloatKeepsSixDigits) {
  const Tensor x = random_tensor({1 << 20}, DType::f32, 7, 0, 1);
  const double exact = exact_sum(values<double>(x));
  EXPECT_NEAR(sum(x).item<double>(), exact, 3e-7 * exact);
}

TEST(Reduce, IntegersAndBoolsSumInI64AndKeepTheirTypeAsExtremes) {
  for (const DType dtype : {DType::i64, DType::i32, DType::u8, DType::boolean}) {
    const bool is_signed = dtype == DType::i64 || dtype == DType::i32;
    const Tensor x = random_tensor({6, 7, 50}, dtype, 3, is_signed ? -100 : 0, 200);
    for (const Tensor& v : layouts(x)) {
      for (const Dims& dims : {Dims{}, Dims{0}, Dims{1}, Dims{2}, Dims{0, 2}}) {
        const Tensor s = sum(v, dims);
        EXPECT_EQ(s.dtype(), DType::i64);
        EXPECT_TRUE(close(s, expected(x, dims, exact_sum), 0, 0));
        const Tensor m = max(v, dims);
        EXPECT_EQ(m.dtype(), dtype);
        EXPECT_TRUE(
            close(m, expected(x, dims, [](const auto& g) { return *std::max_element(g.begin(), g.end()); }), 0, 0));
        EXPECT_TRUE(close(min(v, dims),
                          expected(x, dims, [](const auto& g) { return *std::min_element(g.begin(), g.end()); }), 0,
                          0));
      }
    }
  }
  EXPECT_EQ(sum(Tensor::from<std::int32_t>({2147483647, 2147483647}, {2})).item<std::int64_t>(), 4294967294);
}

TEST(Reduce, KeepdimLeavesSizeOneAndNegativeDimsCountFromTheBack) {
  const Tensor x = random_tensor({2, 3, 4});
  EXPECT_EQ(sum(x, Dims{1}, true).shape(), Shape({2, 1, 4}));
  EXPECT_EQ(sum(x, Dims{-1, 0}).shape(), Shape({3}));
  EXPECT_EQ(mean(x, {}, true).shape(), Shape({1, 1, 1}));
  EXPECT_EQ(argmax(x, -2, true).shape(), Shape({2, 1, 4}));
  EXPECT_EQ(sum(random_tensor({})).shape(), Shape({}));
}

TEST(Reduce, OverNothingASumIsZeroAMeanIsNanAndAnExtremeThrows) {
  const Tensor x = Tensor::empty({0, 3}, DType::f32);
  EXPECT_TRUE(close(sum(x, Dims{0}), {0, 0, 0}, 0, 0));
  EXPECT_TRUE(close(mean(x, Dims{0}), {kNan, kNan, kNan}, 0, 0));
  EXPECT_TRUE(close(var(x, Dims{0}), {kNan, kNan, kNan}, 0, 0));
  EXPECT_EQ(sum(x, Dims{1}).shape(), Shape({0}));
  EXPECT_EQ(max(x, Dims{1}).shape(), Shape({0}));
  EXPECT_EQ(error_of<ShapeError>([&] { max(x, Dims{0}); }),
            "[max] expected at least one value to reduce, got f32 (0, 3) on cpu");
  EXPECT_EQ(error_of<ShapeError>([&] { argmax(x); }),
            "[argmax] expected at least one value to reduce, got f32 (0, 3) on cpu");
  EXPECT_EQ(error_of<ShapeError>([&] { argmax(x, 0); }),
            "[argmax] expected at least one value to reduce, got f32 (0, 3) on cpu");
  EXPECT_EQ(argmax(x, 1).shape(), Shape({0}));
}

TEST(Reduce, VarOfOneValueIsNanAndWithoutCorrectionZero) {
  const Tensor x = Tensor::from({2.0F}, {1});
  EXPECT_TRUE(std::isnan(var(x).item<float>()));
  EXPECT_EQ(var(x, {}, 0).item<float>(), 0);
  EXPECT_FLOAT_EQ(var(Tensor::from({1.0F, 2.0F, 4.0F}, {3}), {}, 0).item<float>(), 14.0F / 9);
}

TEST(Reduce, VarOfLargeNumbersWithASmallSpreadIsAccurate) {
  std::vector<float> v;
  for (int i = 0; i < 1000; ++i) v.push_back(10000.0F + static_cast<float>(i % 2));
  EXPECT_NEAR(var(Tensor::from<float>(v, {1000}), {}, 0).item<double>(), 0.25, 1e-6);
}

TEST(Reduce, NanWinsWhereverItStands) {
  for (std::int64_t at = 0; at < 40; ++at) {
    const Tensor x = random_tensor({2, 40});
    x.data<float>()[at] = NAN;
    for (const Tensor& v : layouts(x)) {
      EXPECT_TRUE(std::isnan(max(v).item<float>()));
      EXPECT_TRUE(std::isnan(values<float>(min(v, Dims{1}))[0]));
      EXPECT_FALSE(std::isnan(values<float>(max(v, Dims{1}))[1]));
      EXPECT_EQ(argmax(v).item<std::int64_t>(), at);
    }
  }
}

TEST(Reduce, ExtremesOfInfinitiesAreThemselves) {
  const Tensor x = Tensor::from({-kInfinity, -kInfinity, kInfinity, -kInfinity}, {2, 2});
  EXPECT_TRUE(close(max(x, Dims{1}), {-kInfinity, kInfinity}, 0, 0));
  EXPECT_TRUE(close(min(x, Dims{1}), {-kInfinity, -kInfinity}, 0, 0));
  EXPECT_TRUE(close(max(x, Dims{0}), {kInfinity, -kInfinity}, 0, 0));
}

TEST(Reduce, ArgmaxIsTheFirstMaximumAlongAnyDim) {
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::u8, DType::boolean}) {
    const Tensor x = random_tensor({3, 21, 4}, dtype, 5, 0, 6);  // few values, many ties
    const std::vector<double> all = values<double>(x);
    for (const Tensor& v : layouts(x)) {
      const std::vector<std::int64_t> got = values<std::int64_t>(argmax(v, 1));
      const auto group = groups(x, {1});
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i], std::max_element(group[i].begin(), group[i].end()) - group[i].begin());
      }
      EXPECT_EQ(argmax(v).item<std::int64_t>(), std::max_element(all.begin(), all.end()) - all.begin());
    }
  }
}

TEST(Reduce, SumToIsTheGradientOfBroadcasting) {
  const Tensor g = random_tensor({4, 3, 5, 2});
  for (const Shape& shape :
       {Shape{2}, Shape{5, 1}, Shape{3, 1, 1}, Shape{1, 3, 1, 2}, Shape{}, Shape{1}, Shape{4, 3, 5, 2}}) {
    SCOPED_TRACE(shape.to_string());
    std::vector<double> golden(static_cast<std::size_t>(shape.numel()));
    for_each_element(g, [&](std::int64_t i, std::int64_t offset) {
      std::int64_t rest = i, at = 0, step = 1;
      for (int d = 3; d >= 0; --d) {
        const int own = d - (4 - shape.size());
        if (own >= 0) {
          if (shape[own] != 1) at += rest % g.shape()[d] * step;
          step *= shape[own];
        }
        rest /= g.shape()[d];
      }
      golden[static_cast<std::size_t>(at)] += static_cast<double>(g.data<float>()[offset]);
    });
    const Tensor y = sum_to(g, shape);
    EXPECT_EQ(y.shape(), shape);
    EXPECT_TRUE(close(y, golden, 1e-5, 1e-5));
    for (const Tensor& v : layouts(g)) ASSERT_TRUE(same_bits(sum_to(v, shape), y));
  }
  EXPECT_TRUE(sum_to(g, g.shape()).is_same(g));
}

TEST(Reduce, RefusesWhatItCannotDo) {
  const Tensor x = random_tensor({2, 3});
  EXPECT_EQ(error_of<IndexError>([&] { sum(x, Dims{2}); }), "[sum] expected a dimension in -2..1, got 2");
  EXPECT_EQ(error_of<IndexError>([&] { max(x, Dims{0, -2}); }), "[max] dimension -2 is named twice");
  EXPECT_EQ(error_of<DtypeError>([&] { mean(random_tensor({2}, DType::i64)); }),
            "[mean] expected f32, f64, bf16 or f16, got i64 (2) on cpu");
  EXPECT_EQ(error_of<DtypeError>([&] { var(random_tensor({2}, DType::u8)); }),
            "[var] expected f32, f64, bf16 or f16, got u8 (2) on cpu");
  EXPECT_EQ(error_of<ShapeError>([&] { sum_to(x, {2}); }), "[sum_to] shapes (2) and (2, 3) do not broadcast");
  EXPECT_EQ(error_of<ShapeError>([&] {
              sum_to(x, {4, 2, 3});
            }),
            "[sum_to] expected a shape that broadcasts to (2, 3), got (4, 2, 3)");
  EXPECT_EQ(error_of<Error>([&] { sum(Tensor()); }), "[sum] expected a tensor, got an undefined one");
}

}  // namespace
}  // namespace hop::kernels
