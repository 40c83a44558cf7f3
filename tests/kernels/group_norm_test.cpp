// The judges are loops in doubles for values and central differences for gradients.
#include "kernels/group_norm.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/copy.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

constexpr double kEps = 1e-5;

struct Golden {
  std::vector<double> y, mean, rstd;
};

Golden golden(const Tensor& x, std::size_t groups, const std::vector<double>& weight, const std::vector<double>& bias) {
  const auto samples = static_cast<std::size_t>(x.size(0)), channels = static_cast<std::size_t>(x.size(1)),
             length = static_cast<std::size_t>(x.numel()) / (samples * groups), size = length * groups / channels;
  Golden golden{values<double>(x), {}, {}};
  for (std::size_t row = 0; row < samples * groups; ++row) {
    double* const v = golden.y.data() + row * length;
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < length; ++i) mean += v[i] / static_cast<double>(length);
    for (std::size_t i = 0; i < length; ++i) variance += std::pow(v[i] - mean, 2) / static_cast<double>(length);
    golden.mean.push_back(mean);
    golden.rstd.push_back(1 / std::sqrt(variance + kEps));
    for (std::size_t i = 0; i < length; ++i) {
      const std::size_t c = row % groups * (channels / groups) + i / size;
      v[i] = (v[i] - mean) * golden.rstd.back() * (weight.empty() ? 1 : weight[c]) + (bias.empty() ? 0 : bias[c]);
    }
  }
  return golden;
}

struct Case {
  Shape x;
  std::int64_t groups;
};
const std::vector<Case> kCases = {{{2, 6}, 1},       {{2, 6}, 3},          {{3, 4, 5}, 2},    {{3, 4, 5}, 4},
                                  {{2, 6, 3, 7}, 3}, {{1, 1, 1}, 1},       {{5, 8, 1, 1}, 2}, {{2, 32, 9, 9}, 8},
                                  {{2, 3, 17}, 1},   {{2, 4, 2, 3, 2}, 2}, {{1, 2, 33}, 2},   {{3, 5, 16}, 5},
                                  {{7, 64}, 32}};

void expect_close(const NormResult& result, const Golden& golden, DType dtype) {
  EXPECT_TRUE(close(result.y, golden.y, epsilon(dtype, 16), epsilon(dtype, 32)));
  EXPECT_TRUE(close(result.mean, golden.mean, epsilon(dtype, 4), epsilon(dtype, 4)));
  EXPECT_TRUE(close(result.rstd, golden.rstd, epsilon(dtype, 8), 0));
  EXPECT_FALSE(result.var.defined());
}

TEST(GroupNorm, NormalisesEachGroupOfEachSampleInEveryLayout) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Case& c : kCases) {
      SCOPED_TRACE(c.x.to_string() + " in " + std::to_string(c.groups));
      const Tensor whole = random_tensor(c.x, dtype, 1, -2, 3);
      const Tensor weight = random_tensor({c.x[1]}, dtype, 2), bias = random_tensor({c.x[1]}, dtype, 3);
      const auto w = values<double>(weight), b = values<double>(bias);
      const auto groups = static_cast<std::size_t>(c.groups);
      for (const Tensor& x : layouts(whole)) {
        expect_close(group_norm(x, c.groups, weight, bias, kEps), golden(whole, groups, w, b), dtype);
        expect_close(group_norm(x, c.groups, {}, {}, kEps), golden(whole, groups, {}, {}), dtype);
        expect_close(group_norm(x, c.groups, weight, {}, kEps), golden(whole, groups, w, {}), dtype);
        expect_close(group_norm(x, c.groups, {}, bias, kEps), golden(whole, groups, {}, b), dtype);
      }
    }
  }
}

/// sum(y * g), for central differences.
double loss(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias, const Tensor& g) {
  const auto y = values<double>(group_norm(x, groups, weight, bias, kEps).y), factor = values<double>(g);
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * factor[i];
  return sum;
}
std::vector<double> differences(const Tensor& x, const std::function<double()>& f) {
  constexpr double kStep = 1e-5;
  std::vector<double> slopes;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    double& v = x.data<double>()[i];
    const double before = v;
    v = before + kStep;
    const double above = f();
    v = before - kStep;
    slopes.push_back((above - f()) / (2 * kStep));
    v = before;
  }
  return slopes;
}

TEST(GroupNorm, HasTheGradientsOfCentralDifferences) {
  for (const Case& c : {Case{{2, 6}, 3}, Case{{2, 4, 5}, 2}, Case{{3, 4, 3, 2}, 1}, Case{{1, 6, 7}, 6}}) {
    SCOPED_TRACE(c.x.to_string());
    const Tensor x = random_tensor(c.x, DType::f64, 1, -2, 3), g = random_tensor(c.x, DType::f64, 2);
    const Tensor weight = random_tensor({c.x[1]}, DType::f64, 3), bias = random_tensor({c.x[1]}, DType::f64, 4);
    const NormResult r = group_norm(x, c.groups, weight, bias, kEps);
    const NormGrads grads = group_norm_grad(g, x, weight, r.mean, r.rstd);
    const auto f = [&] { return loss(x, c.groups, weight, bias, g); };
    EXPECT_TRUE(close(grads.dx, differences(x, f), 1e-6, 1e-7));
    EXPECT_TRUE(close(grads.dweight, differences(weight, f), 1e-6, 1e-7));
    EXPECT_TRUE(close(grads.dbias, differences(bias, f), 1e-6, 1e-7));
    const NormGrads plain = group_norm_grad(g, x, {}, r.mean, r.rstd);
    EXPECT_TRUE(close(plain.dx, differences(x, [&] { return loss(x, c.groups, {}, {}, g); }), 1e-6, 1e-7));
    EXPECT_FALSE(plain.dweight.defined());
  }
}

TEST(GroupNorm, TheBitsKnowNoLayoutNoAddressAndNoThreads) {
  const Tensor x = random_tensor({3, 8, 5, 7}), g = random_tensor({3, 8, 5, 7}, DType::f32, 2);
  const Tensor w = random_tensor({8}, DType::f32, 3);
  const NormResult r = group_norm(x, 4, w, w, kEps);
  const NormGrads grads = group_norm_grad(g, x, w, r.mean, r.rstd);
  const auto check = [&](const Tensor& v, const Tensor& h, const Tensor& u) {
    ASSERT_TRUE(same_bits(group_norm(v, 4, u, u, kEps).y, r.y));
    const NormGrads again = group_norm_grad(h, v, u, r.mean, r.rstd);
    ASSERT_TRUE(same_bits(again.dx, grads.dx));
    ASSERT_TRUE(same_bits(again.dweight, grads.dweight));
    ASSERT_TRUE(same_bits(again.dbias, grads.dbias));
  };
  for (const Tensor& v : layouts(x))
    check(v, with_strides(g, v.strides(), v.storage_offset()), with_strides(w, {2}, 1));
  for (std::int64_t offset = 0; offset < 16; ++offset) check(shifted(x, offset), shifted(g, offset), w);
  const Tensor big = random_tensor({6, 32, 40, 40}), of_big = random_tensor({32}, DType::f32, 5);
  const NormResult one = group_norm(big, 8, of_big, of_big, kEps);
  const NormGrads of_one = group_norm_grad(big, big, of_big, one.mean, one.rstd);
  const ComputeThreads two(2);
  EXPECT_TRUE(same_bits(group_norm(big, 8, of_big, of_big, kEps).y, one.y));
  EXPECT_TRUE(same_bits(group_norm_grad(big, big, of_big, one.mean, one.rstd).dweight, of_one.dweight));
}

TEST(GroupNorm, KeepsTheDigitsOfValuesFarFromZero) {
  std::vector<float> v;
  for (int i = 0; i < 4000; ++i) v.push_back(5000.0F + static_cast<float>(i % 2));
  const NormResult r = group_norm(Tensor::from<float>(v, {1, 4, 1000}), 2, {}, {}, 0);
  EXPECT_NEAR(values<double>(r.rstd)[1], 2, 1e-6);
  EXPECT_NEAR(values<double>(r.y)[1], 1, 1e-6);
}

TEST(GroupNorm, OfNoSamplesIsEmptyAndOfNoValuesAnError) {
  const Tensor none = random_tensor({0, 4, 3}), w = random_tensor({4});
  const NormResult r = group_norm(none, 2, w, w, kEps);
  EXPECT_EQ(r.y.shape(), Shape({0, 4, 3}));
  EXPECT_EQ(r.mean.shape(), Shape({0, 2}));
  EXPECT_TRUE(close(group_norm_grad(none, none, w, r.mean, r.rstd).dweight, {0, 0, 0, 0}, 0, 0));
  EXPECT_EQ(error_of<ShapeError>([] {
              group_norm(random_tensor({2, 4, 0}), 2, {}, {}, kEps);
            }),
            "[group_norm] expected values to normalise, got f32 (2, 4, 0) on cpu");
}

TEST(GroupNorm, RefusesWhatDoesNotFit) {
  const Tensor x = random_tensor({2, 6, 3});
  const auto t = [](const Shape& shape) { return random_tensor(shape); };
  EXPECT_EQ(error_of<ShapeError>([&] { group_norm(x, 4, {}, {}, kEps); }),
            "[group_norm] expected channels that 4 groups divide evenly, got (2, 6, 3)");
  EXPECT_THROW(group_norm(x, 0, {}, {}, kEps), ShapeError);
  EXPECT_THROW(group_norm(x, 3, {}, {}, -1), ConfigError);
  EXPECT_EQ(error_of<ShapeError>([&] { group_norm(t({3}), 1, {}, {}, kEps); }),
            "[group_norm] expected x (N, C, ..), got (3)");
  EXPECT_EQ(error_of<ShapeError>([&] { group_norm(x, 3, t({3}), {}, kEps); }),
            "[group_norm] expected weight of shape (6), got (3)");
  EXPECT_THROW(group_norm(x, 3, {}, t({3}), kEps), ShapeError);
  EXPECT_THROW(group_norm(x, 3, {}, {}, -1), ConfigError);
  EXPECT_THROW(group_norm(x, 3, random_tensor({6}, DType::f64), {}, kEps), DtypeError);
  EXPECT_THROW(group_norm_grad(x, x, {}, t({2, 3}), t({2, 2})), ShapeError);
  EXPECT_THROW(group_norm_grad(t({2, 6}), x, {}, t({2, 3}), t({2, 3})), ShapeError);
  EXPECT_THROW(group_norm_grad(x, x, {}, t({3}), t({3})), ShapeError);
}

}  // namespace
}  // namespace hop::kernels
