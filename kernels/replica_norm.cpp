#include <cmath>
#include <string>
#include <utility>

#include "base/error.h"
#include "kernels/capture_internal.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/expect_internal.h"
#include "kernels/replica_norm_internal.h"

namespace hop::kernels {
namespace {

using Numbers = std::vector<double>;

template <class F>
void visit_floating(const Tensor& x, const F& f) {
  x.dtype() == DType::f32 ? f(float{}) : f(double{});
}

void expect_cpu(const Tensor& x) {
  expect_defined("replica_batch_norm", x);
  if (!x.device().is_cpu()) throw DeviceError("[replica_batch_norm] expected x on the CPU, got " + x.describe());
}

// From the count, means and sums of squared deviations of each replica to those of all rows: two passes over the means,
// as over the values of one batch (Chan, Golub and LeVeque, 1983).
template <class T>
struct Moments {
  std::size_t channels;
  double eps;
  T *mean, *rstd, *var;
  double* count;

  void combine(const std::vector<Numbers>& all) const {
    double values = 0;
    for (const Numbers& replica : all) values += replica[0];
    if (values < 2) {
      throw ShapeError(
          "[BatchNorm] expected more than one value per channel in the replicas of a step together while training, "
          "got one");
    }
    for (std::size_t c = 0; c < channels; ++c) {
      double sum = 0, squares = 0;
      for (const Numbers& replica : all) sum += replica[0] * replica[1 + c];
      const double centre = sum / values;
      for (const Numbers& replica : all) {
        const double off = replica[1 + c] - centre;
        squares += replica[1 + channels + c] + replica[0] * off * off;
      }
      mean[c] = static_cast<T>(centre);
      rstd[c] = static_cast<T>(1 / std::sqrt(squares / values + eps));
      var[c] = static_cast<T>(squares / (values - 1));
    }
    *count = values;
  }
};

// dx = factor g + scale xhat + shift, with sums over the rows of all replicas:
//   factor = rstd weight,  scale = -factor sum(g xhat) / count,  shift = -factor sum(g) / count.
template <class T>
struct Coefficients {
  std::size_t channels;
  const T *rstd, *weight;  // weight: null for ones
  const double* count;
  T *factor, *scale, *shift;

  void combine(const std::vector<Numbers>& all) const {
    for (std::size_t c = 0; c < channels; ++c) {
      double sum_g = 0, sum_gx = 0;
      for (const Numbers& replica : all) {
        sum_g += replica[c];
        sum_gx += replica[channels + c];
      }
      const double k = static_cast<double>(rstd[c]) * (weight != nullptr ? static_cast<double>(weight[c]) : 1.0);
      factor[c] = static_cast<T>(k);
      scale[c] = static_cast<T>(-k * sum_gx / *count);
      shift[c] = static_cast<T>(-k * sum_g / *count);
    }
  }
};

}  // namespace

ReplicaNormResult replica_batch_norm(const std::shared_ptr<ReplicaTalk>& talk, const Tensor& x, const Tensor& weight,
                                     const Tensor& bias, double eps) {
  expect_cpu(x);
  NormResult local = batch_norm(x, {}, {}, eps);
  local.y = {};  // not kept while the replicas wait for each other
  const auto per_channel = [&] { return Tensor::empty(local.mean.shape(), x.dtype()); };
  ReplicaNormResult all{{}, per_channel(), per_channel(), per_channel(), Tensor::empty({}, DType::f64)};
  const auto channels = static_cast<std::size_t>(local.mean.numel());
  const double count = static_cast<double>(x.numel()) / static_cast<double>(channels);
  visit_floating(x, [&]<class T>(T) {
    const Moments<T> moments{
        channels, eps, all.mean.data<T>(), all.rstd.data<T>(), all.var.data<T>(), all.count.data<double>()};
    launch([talk, moments, count, mean = local.mean.data<T>(), var = local.var.data<T>()] {
      Numbers own = {count};
      for (std::size_t c = 0; c < moments.channels; ++c) own.push_back(static_cast<double>(mean[c]));
      for (std::size_t c = 0; c < moments.channels; ++c) own.push_back(static_cast<double>(var[c]) * count);
      moments.combine(talk->share(std::move(own)));
    });
  });
  all.y = batch_norm_apply(x, weight, bias, all.mean, all.rstd);
  return all;
}

NormGrads replica_batch_norm_grad(const std::shared_ptr<ReplicaTalk>& talk, const Tensor& g, const Tensor& x,
                                  const Tensor& weight, const ReplicaNormResult& norm, bool wants_dx) {
  expect_cpu(x);
  const auto like_mean = [&] { return Tensor::empty(norm.mean.shape(), x.dtype()); };
  const Tensor dense_weight = weight.defined() ? contiguous(weight) : weight;
  // Its sums over the own rows are wanted; its dx is that of one batch alone.
  NormGrads local =
      batch_norm_grad(g, x, weight.defined() ? weight : ones(norm.mean.shape(), x.dtype()), norm.mean, norm.rstd);
  local.dx = {};
  NormGrads grads;
  if (weight.defined()) {
    grads.dweight = local.dweight;
    grads.dbias = local.dbias;
  }
  if (!wants_dx) return grads;
  const Tensor factor = like_mean(), scale = like_mean(), shift = like_mean();
  visit_floating(x, [&]<class T>(T) {
    const Coefficients<T> coefficients{static_cast<std::size_t>(norm.mean.numel()),
                                       norm.rstd.data<T>(),
                                       weight.defined() ? dense_weight.data<T>() : nullptr,
                                       norm.count.data<double>(),
                                       factor.data<T>(),
                                       scale.data<T>(),
                                       shift.data<T>()};
    launch([talk, coefficients, sum_g = local.dbias.data<T>(), sum_gx = local.dweight.data<T>()] {
      Numbers own;
      for (std::size_t c = 0; c < coefficients.channels; ++c) own.push_back(static_cast<double>(sum_g[c]));
      for (std::size_t c = 0; c < coefficients.channels; ++c) own.push_back(static_cast<double>(sum_gx[c]));
      coefficients.combine(talk->share(std::move(own)));
    });
  });
  grads.dx = batch_norm_apply(x, scale, shift, norm.mean, norm.rstd);
  Shape along = x.shape();
  for (int d = 0; d < along.size(); ++d) along[d] = d == 1 ? x.size(1) : 1;
  evaluate_into(grads.dx, rows::Add{}, grads.dx, mul(g, factor.as_strided(along, contiguous_strides(along), 0)));
  return grads;
}

}  // namespace hop::kernels
