#include "kernels/norm.h"

#include <functional>
#include <limits>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

constexpr double kEps = 1e-5;

/// Normalises the groups of elements that share a value of `group_of(i)`, in doubles; parameters by `parameter_of(i)`.
struct Golden {
  std::vector<double> y, mean, rstd;
};
using Numbering = std::function<std::size_t(std::size_t)>;
Golden normalise(const std::vector<double>& x, std::size_t groups, const Numbering& group_of,
                 const Numbering& parameter_of, const std::vector<double>& weight, const std::vector<double>& bias) {
  Golden golden{x, std::vector<double>(groups), std::vector<double>(groups)};
  const double count = static_cast<double>(x.size()) / static_cast<double>(groups);
  for (std::size_t i = 0; i < x.size(); ++i) golden.mean[group_of(i)] += x[i] / count;
  for (std::size_t i = 0; i < x.size(); ++i)
    golden.rstd[group_of(i)] += std::pow(x[i] - golden.mean[group_of(i)], 2) / count;
  for (double& v : golden.rstd) v = 1 / std::sqrt(v + kEps);
  for (std::size_t i = 0; i < x.size(); ++i) {
    golden.y[i] = (x[i] - golden.mean[group_of(i)]) * golden.rstd[group_of(i)];
    if (!weight.empty()) golden.y[i] *= weight[parameter_of(i)];
    if (!bias.empty()) golden.y[i] += bias[parameter_of(i)];
  }
  return golden;
}

Golden layer_norm_golden(const Tensor& x, std::size_t size, const std::vector<double>& weight,
                         const std::vector<double>& bias) {
  return normalise(
      values<double>(x), static_cast<std::size_t>(x.numel()) / size, [=](std::size_t i) { return i / size; },
      [=](std::size_t i) { return i % size; }, weight, bias);
}

Golden batch_norm_golden(const Tensor& x, const std::vector<double>& weight, const std::vector<double>& bias) {
  const auto channels = static_cast<std::size_t>(x.shape()[1]);
  const auto size = static_cast<std::size_t>(x.numel() / (x.shape()[0] * x.shape()[1]));
  const Numbering channel = [=](std::size_t i) { return i / size % channels; };
  return normalise(values<double>(x), channels, channel, channel, weight, bias);
}

void expect_close(const NormResult& result, const Golden& golden, DType dtype) {
  EXPECT_TRUE(close(result.y, golden.y, epsilon(dtype, 16), epsilon(dtype, 32)));
  EXPECT_TRUE(close(result.mean, golden.mean, epsilon(dtype, 4), epsilon(dtype, 4)));
  EXPECT_TRUE(close(result.rstd, golden.rstd, epsilon(dtype, 8), 0));
}

/// The gradient of loss() with respect to every element of x, by central differences.
std::vector<double> numeric_gradient(const Tensor& x, const std::function<double()>& loss) {
  std::vector<double> gradient;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    double& v = x.data<double>()[i];
    const double before = v;
    v = before + 1e-5;
    const double up = loss();
    v = before - 1e-5;
    gradient.push_back((up - loss()) / 2e-5);
    v = before;
  }
  return gradient;
}

double dot(const Tensor& a, const Tensor& b) { return sum(mul(a, b)).item<double>(); }
Tensor to_float(const Tensor& x) { return x.defined() ? cast(x, DType::f32) : x; }

/// Differences against the f64 gradient, f64 against f32.
template <class Forward, class Backward>
void check_gradients(const Forward& forward, const Backward& backward, const Tensor& x, const Tensor& weight,
                     const Tensor& bias) {
  const Tensor g = random_tensor(x.shape(), DType::f64, 9);
  const auto loss = [&] { return dot(g, forward(x, weight, bias, kEps).y); };
  const NormResult r = forward(x, weight, bias, kEps);
  const NormGrads grads = backward(g, x, weight, r.mean, r.rstd);
  EXPECT_TRUE(close(grads.dx, numeric_gradient(x, loss), 1e-5, 1e-6));
  EXPECT_EQ(grads.dweight.defined(), weight.defined());
  if (weight.defined()) {
    EXPECT_TRUE(close(grads.dweight, numeric_gradient(weight, loss), 1e-5, 1e-6));
    EXPECT_TRUE(close(grads.dbias, numeric_gradient(bias, loss), 1e-5, 1e-6));
  }
  const NormResult s = forward(to_float(x), to_float(weight), to_float(bias), kEps);
  const NormGrads single = backward(to_float(g), to_float(x), to_float(weight), s.mean, s.rstd);
  EXPECT_TRUE(close(single.dx, values<double>(grads.dx), 1e-4, 1e-4));
  if (!weight.defined()) return;
  EXPECT_TRUE(close(single.dweight, values<double>(grads.dweight), 1e-4, 1e-4));
  EXPECT_TRUE(close(single.dbias, values<double>(grads.dbias), 1e-4, 1e-4));
}

const std::vector<Shape> kImages = {{3, 2, 5, 7}, {20, 3}, {4, 5, 1, 1}, {2, 17, 3, 3}, {1, 2, 4, 4}, {6, 2, 33}};

TEST(LayerNorm, AgreesWithDoubles) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : {Shape{3, 10}, Shape{2, 5, 33}, Shape{700}, Shape{4, 1}, Shape{1, 16}}) {
      const Tensor x = random_tensor(shape, dtype, 1, -3, 5);
      const Tensor weight = random_tensor({shape.back()}, dtype, 2), bias = random_tensor({shape.back()}, dtype, 3);
      const auto size = static_cast<std::size_t>(shape.back());
      const NormResult result = layer_norm(x, weight, bias, kEps);
      expect_close(result, layer_norm_golden(x, size, values<double>(weight), values<double>(bias)), dtype);
      EXPECT_EQ(result.mean.shape(), Shape(std::span(shape.begin(), shape.end() - 1)));
      expect_close(layer_norm(x, {}, {}, kEps), layer_norm_golden(x, size, {}, {}), dtype);
    }
    const Tensor x = random_tensor({4, 3, 5}, dtype, 1);
    const Tensor weight = random_tensor({3, 5}, dtype, 2), bias = random_tensor({3, 5}, dtype, 3);
    expect_close(layer_norm(x, weight, bias, kEps),
                 layer_norm_golden(x, 15, values<double>(weight), values<double>(bias)), dtype);
  }
}

TEST(LayerNorm, GradientsAgreeWithDifferencesAndFloatWithDouble) {
  for (const Shape& shape : {Shape{3, 10}, Shape{2, 3, 17}}) {
    const Tensor x = random_tensor(shape, DType::f64, 1);
    const Tensor weight = random_tensor({shape.back()}, DType::f64, 2),
                 bias = random_tensor({shape.back()}, DType::f64, 3);
    check_gradients(layer_norm, layer_norm_grad, x, weight, bias);
    check_gradients(layer_norm, layer_norm_grad, x, {}, {});
  }
}

TEST(BatchNorm, AgreesWithDoubles) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : kImages) {
      SCOPED_TRACE(shape.to_string());
      const Tensor x = random_tensor(shape, dtype, 1, -3, 5);
      const Tensor weight = random_tensor({shape[1]}, dtype, 2), bias = random_tensor({shape[1]}, dtype, 3);
      expect_close(batch_norm(x, weight, bias, kEps),
                   batch_norm_golden(x, values<double>(weight), values<double>(bias)), dtype);
      expect_close(batch_norm(x, {}, {}, kEps), batch_norm_golden(x, {}, {}), dtype);
    }
  }
}

TEST(BatchNorm, GradientsAgreeWithDifferencesAndFloatWithDouble) {
  for (const Shape& shape : kImages) {
    SCOPED_TRACE(shape.to_string());
    const Tensor x = random_tensor(shape, DType::f64, 1);
    const Tensor weight = random_tensor({shape[1]}, DType::f64, 2), bias = random_tensor({shape[1]}, DType::f64, 3);
    const auto forward = [](const auto&... operands) { return batch_norm(operands...); };
    const auto backward = [](const auto&... operands) { return batch_norm_grad(operands...); };
    check_gradients(forward, backward, x, weight, bias);
    check_gradients(forward, backward, x, {}, {});
  }
}

TEST(BatchNorm, AppliedToItsOwnStatisticsGivesTheBitsOfTraining) {
  for (const Shape& shape : kImages) {
    const Tensor x = random_tensor(shape);
    const Tensor weight = random_tensor({shape[1]}, DType::f32, 2), bias = random_tensor({shape[1]}, DType::f32, 3);
    const NormResult r = batch_norm(x, weight, bias, kEps);
    EXPECT_TRUE(same_bits(batch_norm_apply(x, weight, bias, r.mean, r.rstd), r.y));
  }
  EXPECT_EQ(batch_norm_apply(Tensor::empty({0, 2}, DType::f32), {}, {}, zeros({2}), ones({2})).shape(), Shape({0, 2}));
}

// If eps is much larger than the variance, 1 / sqrt(var + eps) has lost the variance.
TEST(BatchNorm, GivesTheVarianceWhateverEpsIs) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : {Shape{40, 3}, Shape{2, 20, 3, 5}, Shape{3, 2, 40, 40}}) {
      for (const double scale : {1e-12, 1e-6, 1.0, 1e6}) {
        const Tensor x = random_tensor(shape, dtype, 5, -scale, scale);
        const std::int64_t channels = shape[1], plane = x.numel() / (shape[0] * channels);
        const std::vector<double> v = values<double>(x);
        std::vector<double> wanted;
        for (std::int64_t c = 0; c < channels; ++c) {
          std::vector<double> own;
          for (std::int64_t i = 0; i < x.numel(); ++i) {
            if (i / plane % channels == c) own.push_back(v[static_cast<std::size_t>(i)]);
          }
          const auto n = static_cast<double>(own.size());
          const double mean = std::accumulate(own.begin(), own.end(), 0.0) / n;
          wanted.push_back(std::accumulate(own.begin(), own.end(), 0.0,
                                           [&](double sum, double y) { return sum + (y - mean) * (y - mean); }) /
                           n);
        }
        for (const double eps : {0.0, 1e-5, 1e-3, 1.0, 1e3}) {
          std::vector<Tensor> layouts = {x};
          if (shape.size() == 4) layouts.push_back(testing::with_order(x, {0, 2, 3, 1}));
          for (const Tensor& layout : layouts) {
            const std::vector<double> var = values<double>(batch_norm(layout, {}, {}, eps).var);
            for (std::size_t c = 0; c < wanted.size(); ++c)
              EXPECT_NEAR(var[c] / wanted[c], 1, dtype == DType::f32 ? 1e-5 : 1e-13) << x.describe() << ", eps " << eps;
          }
        }
      }
    }
  }
}

TEST(BatchNorm, ALargeMeanCostsNoDigits) {
  std::vector<float> v;
  for (int i = 0; i < 4000; ++i) v.push_back(5000.0F + static_cast<float>(i % 2));
  const NormResult r = batch_norm(Tensor::from<float>(v, {4, 1, 10, 100}), {}, {}, 0);
  EXPECT_NEAR(r.rstd.item<double>(), 2, 1e-6);
  EXPECT_NEAR(values<double>(r.y)[1], 1, 1e-6);
}

TEST(Norm, TheBitsKnowNoLayoutNoAddressAndNoThreads) {
  const Tensor x = random_tensor({3, 4, 5, 7});
  const Tensor g = random_tensor({3, 4, 5, 7}, DType::f32, 2);
  const Tensor per_channel = random_tensor({4}, DType::f32, 3), per_column = random_tensor({7}, DType::f32, 4);
  const NormResult b = batch_norm(x, per_channel, per_channel, kEps), l = layer_norm(x, per_column, per_column, kEps);
  const NormGrads db = batch_norm_grad(g, x, per_channel, b.mean, b.rstd),
                  dl = layer_norm_grad(g, x, per_column, l.mean, l.rstd);
  std::vector<Tensor> variants = layouts(x);
  for (std::int64_t offset = 0; offset < 16; ++offset) variants.push_back(shifted(x, offset));
  for (const Tensor& v : variants) {
    const Tensor h = with_strides(g, v.strides(), v.storage_offset());
    const Tensor w = with_strides(per_channel, {2}, 1), u = with_strides(per_column, {3}, 5);
    ASSERT_TRUE(same_bits(batch_norm(v, w, w, kEps).y, b.y));
    ASSERT_TRUE(same_bits(layer_norm(v, u, u, kEps).y, l.y));
    const NormGrads eb = batch_norm_grad(h, v, w, b.mean, b.rstd), el = layer_norm_grad(h, v, u, l.mean, l.rstd);
    ASSERT_TRUE(same_bits(eb.dx, db.dx));
    ASSERT_TRUE(same_bits(eb.dweight, db.dweight));
    ASSERT_TRUE(same_bits(eb.dbias, db.dbias));
    ASSERT_TRUE(same_bits(el.dx, dl.dx));
    ASSERT_TRUE(same_bits(el.dweight, dl.dweight));
    ASSERT_TRUE(same_bits(el.dbias, dl.dbias));
  }
  const Tensor big = random_tensor({8, 16, 20, 20}), wide = random_tensor({300, 200});
  const Tensor ones_of_rows = ones({200});
  const NormResult golden = batch_norm(big, {}, {}, kEps), rows = layer_norm(wide, ones_of_rows, {}, kEps);
  const NormGrads grads = layer_norm_grad(wide, wide, ones_of_rows, rows.mean, rows.rstd);
  const ComputeThreads two(2);
  EXPECT_TRUE(same_bits(batch_norm(big, {}, {}, kEps).y, golden.y));
  EXPECT_TRUE(same_bits(layer_norm(wide, ones_of_rows, {}, kEps).y, rows.y));
  EXPECT_TRUE(same_bits(layer_norm_grad(wide, wide, ones_of_rows, rows.mean, rows.rstd).dweight, grads.dweight));
}

TEST(Norm, RefusesWhatDoesNotFit) {
  const Tensor x = random_tensor({2, 3, 4});
  const auto t = [](const Shape& shape) { return random_tensor(shape); };
  EXPECT_EQ(error_of<ShapeError>([&] { layer_norm(x, t({3}), {}, kEps); }),
            "[layer_norm] expected weight of the shape of x's last dimensions, got weight (3) for x (2, 3, 4)");
  EXPECT_EQ(error_of<ShapeError>([&] { layer_norm(x, t({4}), t({3}), kEps); }),
            "[layer_norm] expected bias of shape (4), got (3)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              layer_norm(t({2, 0}), {}, {}, kEps);
            }),
            "[layer_norm] expected values to normalise, got f32 (2, 0) on cpu");
  EXPECT_EQ(layer_norm(t({0, 3}), {}, {}, kEps).y.shape(), Shape({0, 3}));
  EXPECT_TRUE(close(layer_norm_grad(t({0, 3}), t({0, 3}), t({3}), t({0}), t({0})).dbias, {0, 0, 0}, 0, 0));
  EXPECT_EQ(error_of<ShapeError>([&] { batch_norm(t({3}), {}, {}, kEps); }),
            "[batch_norm] expected x (N, C, ..), got (3)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              batch_norm(t({0, 3}), {}, {}, kEps);
            }),
            "[batch_norm] expected values to normalise, got f32 (0, 3) on cpu");
  EXPECT_EQ(error_of<ShapeError>([&] { batch_norm(x, t({4}), {}, kEps); }),
            "[batch_norm] expected weight of shape (3), got (4)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              batch_norm_grad(t({2, 3}), x, {}, t({3}), t({3}));
            }),
            "[batch_norm gradient] expected g of shape (2, 3, 4), got (2, 3)");
  EXPECT_EQ(error_of<DtypeError>([&] { batch_norm(x, random_tensor({3}, DType::f64), {}, kEps); }),
            "[batch_norm] expected operands of one dtype, got f32 (2, 3, 4) on cpu and f64 (3) on cpu");
}

TEST(Norm, TakesNoEpsThatIsNegativeOrNoNumber) {
  const Tensor x = ones({4, 2});
  for (const double eps : {-1e-5, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(layer_norm(x, {}, {}, eps), ConfigError) << eps;
    EXPECT_THROW(batch_norm(x, {}, {}, eps), ConfigError) << eps;
  }
  EXPECT_NO_THROW(layer_norm(x, {}, {}, 0));
}

}  // namespace
}  // namespace hop::kernels
