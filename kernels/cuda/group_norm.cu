// Group normalisation: layer norm of rows (N groups, C / groups * size) whose weight belongs to channels, runs of
// `size` values within a row. rows_device.h keeps a row in registers where it fits.
//
// dweight and dbias: first the sums over each channel of each sample, which are rows (N C, size), then the sums over
// the samples. So g and x are read twice: once for dx, once for the sums.
#include <cmath>

#include "base/error.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/rows_device.h"
#include "kernels/cuda/walk.h"
#include "kernels/group_norm_operations.h"
#include "kernels/reduce_operations.h"

namespace hop::kernels::cuda {
namespace {

using std::sqrt;  // the overload for numbers

/// Weight and bias of the channels; both may be null.
template <class T>
struct Parameters {
  const T *weight, *bias;
  std::int64_t groups, per_group;  // channels per group
  FastDivision by_size;

  /// The channel of position `at` of a row.
  template <class Row>
  __device__ std::int64_t channel(const Row& row, std::int64_t at) const {
    return row.index() % groups * per_group + by_size.quotient(static_cast<std::uint32_t>(at));
  }
  __device__ T weight_of(std::int64_t channel) const { return weight == nullptr ? T{1} : weight[channel]; }
  __device__ T bias_of(std::int64_t channel) const { return bias == nullptr ? T{0} : bias[channel]; }
};

/// Floor: 2 s bytes per value of x (s = sizeof(T)).
template <class T>
struct GroupNorm {
  enum { kKeepsMuch };  // see rows_device.h
  const T* x;
  Parameters<T> parameters;
  T eps;
  T *y, *mean, *rstd;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto v = row.read(x);
    const T count = static_cast<T>(row.length());
    const T m = row.template reduce<Add>([&](auto i) { return v[i]; }) / count;
    const T variance = row.template reduce<Add>([&](auto i) { return (v[i] - m) * (v[i] - m); }) / count;
    const T r = T{1} / sqrt(variance + eps);
    row.write(y, [&](auto i) {
      const std::int64_t c = parameters.channel(row, row.position(i));
      return (v[i] - m) * r * parameters.weight_of(c) + parameters.bias_of(c);
    });
    if (!row.leads()) return;
    mean[row.index()] = m;
    rstd[row.index()] = r;
  }
};

/// With xhat = (x - mean) * rstd and h = g * weight: dx = rstd * (h - mean(h) - xhat * mean(h * xhat)).
/// Floor: 3 s per value.
template <class T>
struct GroupNormGrad {
  const T *g, *x;
  Parameters<T> parameters;
  const T *mean, *rstd;
  T* dx;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto slope = row.read(g), v = row.read(x);
    const T m = row.exists() ? mean[row.index()] : T{0}, r = row.exists() ? rstd[row.index()] : T{0};
    const T count = static_cast<T>(row.length());
    const auto h = [&](auto i) { return slope[i] * parameters.weight_of(parameters.channel(row, row.position(i))); };
    const auto xhat = [&](auto i) { return (v[i] - m) * r; };
    const T h_mean = row.template reduce<Add>(h) / count;
    const T hx_mean = row.template reduce<Add>([&](auto i) { return h(i) * xhat(i); }) / count;
    row.write(dx, [&](auto i) { return r * (h(i) - h_mean - xhat(i) * hx_mean); });
  }
};

/// The sums of g * xhat and g over rows that are one channel of one sample each; `per_group` rows share their
/// statistics. Floor: 2 s per value.
template <class T>
struct ChannelSums {
  const T *g, *x, *mean, *rstd;
  std::int64_t per_group;
  T *gx_sums, *g_sums;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto slope = row.read(g), v = row.read(x);
    const std::int64_t group = row.exists() ? row.index() / per_group : 0;
    const T m = mean[group], r = rstd[group];
    const T g_sum = row.template reduce<Add>([&](auto i) { return slope[i]; });
    const T gx_sum = row.template reduce<Add>([&](auto i) { return slope[i] * ((v[i] - m) * r); });
    if (!row.leads()) return;
    gx_sums[row.index()] = gx_sum;
    g_sums[row.index()] = g_sum;
  }
};

// ---- Host side

/// x (N, C, size) and its groups.
struct Sizes {
  std::int64_t samples, channels, size, groups;
  Sizes(const Tensor& x, const Tensor& mean)
      : samples(x.size(0)), channels(x.size(1)), size(x.numel() / (samples * channels)), groups(mean.size(1)) {
    if (length() >= std::int64_t{1} << 31)
      throw ShapeError("[group_norm] expected groups of fewer than 2^31 values, got " + x.describe());
  }
  std::int64_t per_group() const { return channels / groups; }
  std::int64_t length() const { return per_group() * size; }

  template <class T>
  Parameters<T> parameters(const Tensor& weight, const Tensor& bias) const {
    return {data_or_null<T>(weight), data_or_null<T>(bias), groups, per_group(),
            FastDivision(static_cast<std::uint32_t>(size))};
  }
};

template <class T>
void launch_parameter_grads(const Sizes& z, const Tensor& g, const Tensor& x, const Tensor& mean, const Tensor& rstd,
                            const NormGrads& grads) {
  const auto room = [&] { return Tensor::empty({z.samples, z.channels}, x.dtype(), x.device()); };
  const Tensor gx_sums = room(), g_sums = room();
  const ChannelSums<T> body{g.data<T>(),   x.data<T>(),       mean.data<T>(),  rstd.data<T>(),
                            z.per_group(), gx_sums.data<T>(), g_sums.data<T>()};
  launch_rows<T>(z.samples * z.channels, z.size, all_aligned(body.g, body.x), body);
  DimSet over_samples{};
  over_samples[0] = true;
  ReduceOperations::cuda.reduce(Reduction::sum, gx_sums, over_samples, grads.dweight, 0);
  ReduceOperations::cuda.reduce(Reduction::sum, g_sums, over_samples, grads.dbias, 0);
}

void group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const NormResult& result) {
  const Sizes z(x, result.mean);
  visit_floating(x, [&]<class T>(T) {
    const GroupNorm<T> body{x.data<T>(),        z.parameters<T>(weight, bias), static_cast<T>(eps),
                            result.y.data<T>(), result.mean.data<T>(),         result.rstd.data<T>()};
    launch_rows<T>(z.samples * z.groups, z.length(), all_aligned(body.x, body.y), body);
  });
}

void group_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                     const NormGrads& grads) {
  const Sizes z(x, mean);
  visit_floating(x, [&]<class T>(T) {
    const GroupNormGrad<T> body{g.data<T>(),    x.data<T>(),    z.parameters<T>(weight, {}),
                                mean.data<T>(), rstd.data<T>(), grads.dx.data<T>()};
    launch_rows<T>(z.samples * z.groups, z.length(), all_aligned(body.g, body.x, body.dx), body);
    if (weight.defined()) launch_parameter_grads<T>(z, g, x, mean, rstd, grads);
  });
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const GroupNormOperations GroupNormOperations::cuda = {
    .group_norm = cuda::on_device<cuda::group_norm>,
    .group_norm_grad = cuda::on_device<cuda::group_norm_grad>,
};

}  // namespace hop::kernels
