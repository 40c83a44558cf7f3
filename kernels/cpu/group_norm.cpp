// A group of a sample is a row of (N groups, C / groups * size), so the loops of layer norm give the statistics and dx.
// Weights belong to channels, which are runs of `size` values within a row: the loops of batch norm apply them, and sum
// their gradients. About two passes more over x than fused loops would take.
#include <algorithm>

#include "kernels/capture_internal.h"
#include "kernels/copy_operations.h"
#include "kernels/cpu/norm_loops_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/group_norm_operations.h"
#include "kernels/reduce_operations.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements per thread's turn

/// Launches f(begin, end) over `count` parts of `size` elements each. f holds addresses by value.
template <class F>
void for_parts(std::int64_t count, std::int64_t size, const F& f) {
  launch([f, count, grain = std::max<std::int64_t>(1, kGrain / size)] { parallel_for(count, grain, f); });
}

template <class F>
void visit_floating(const Tensor& x, const F& f) {
  x.dtype() == DType::f32 ? f(float{}) : f(double{});
}

template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

Tensor filled(std::int64_t n, double value, DType dtype) {
  const Tensor y = Tensor::empty({n}, dtype);
  CopyOperations::cpu.fill(y, value);
  return y;
}

/// x (N, C, size) and its groups.
struct Sizes {
  std::int64_t samples, channels, size, groups;
  Sizes(const Tensor& x, const Tensor& mean)
      : samples(x.size(0)), channels(x.size(1)), size(x.numel() / (samples * channels)), groups(mean.size(1)) {}
  NormShape rows() const { return {samples * groups, 1, channels / groups * size}; }
  NormShape by_channel() const { return {samples, channels, size}; }
  NormShape each_channel() const { return {1, samples * channels, size}; }  // of each sample
};

/// y = x * weight + bias, per channel. y may be x.
template <class T>
void apply_parameters(const Sizes& z, const T* x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  const Tensor zeros = filled(z.channels, 0, y.dtype()), ones = filled(z.channels, 1, y.dtype());
  const NormInputs<T> in{z.by_channel(), x, data_or_null<T>(weight), data_or_null<T>(bias)};
  const NormStatistics<T> none{zeros.data<T>(), ones.data<T>()};
  for_parts(z.channels, z.samples * z.size, [=, to = y.data<T>()](std::int64_t begin, std::int64_t end) {
    HOP_PICK(batch_norm_apply_channels<T>)(in, none, to, begin, end);
  });
}

/// (N groups) -> (N C): the value of a channel's group.
Tensor of_channels(const Sizes& z, const Tensor& x) {
  const Tensor y = Tensor::empty({z.samples, z.groups, z.channels / z.groups}, x.dtype());
  CopyOperations::cpu.copy(y, x.as_strided({z.samples, z.groups, 1}, {z.groups, 1, 1}, x.storage_offset()));
  return y;
}

/// dweight and dbias: sums over each channel of each sample, then over the samples. `room`, of x's shape, is
/// overwritten.
template <class T>
void parameter_grads(const Sizes& z, const Tensor& g, const Tensor& x, const Tensor& mean, const Tensor& rstd,
                     const Tensor& room, const NormGrads& grads) {
  const Tensor means = of_channels(z, mean), rstds = of_channels(z, rstd);
  const Tensor gx_sums = Tensor::empty({z.samples, z.channels}, x.dtype()),
               g_sums = Tensor::empty({z.samples, z.channels}, x.dtype());
  const NormInputs<T> in{z.each_channel(), x.data<T>(), nullptr, nullptr};
  const NormStatistics<T> given{means.data<T>(), rstds.data<T>()};
  const NormGradients<T> out{room.data<T>(), gx_sums.data<T>(), g_sums.data<T>()};
  for_parts(z.samples * z.channels, z.size, [=, from = g.data<T>()](std::int64_t begin, std::int64_t end) {
    HOP_PICK(batch_norm_grad_channels<T>)(in, from, NormTailGrad<T>{}, given, out, begin, end);
  });
  DimSet over_samples{};
  over_samples[0] = true;
  ReduceOperations::cpu.reduce(Reduction::sum, gx_sums, over_samples, grads.dweight, 0);
  ReduceOperations::cpu.reduce(Reduction::sum, g_sums, over_samples, grads.dbias, 0);
}

void group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const NormResult& result) {
  const Sizes z(x, result.mean);
  visit_floating(x, [&]<class T>(T) {
    const NormInputs<T> in{z.rows(), x.data<T>(), nullptr, nullptr};
    const NormStatistics<T> made{result.mean.data<T>(), result.rstd.data<T>()};
    for_parts(in.shape.batch, in.shape.size, [=, y = result.y.data<T>()](std::int64_t begin, std::int64_t end) {
      HOP_PICK(layer_norm_rows<T>)(in, eps, made, y, begin, end);
    });
    if (weight.defined() || bias.defined()) apply_parameters<T>(z, result.y.data<T>(), weight, bias, result.y);
  });
}

void group_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                     const NormGrads& grads) {
  const Sizes z(x, mean);
  visit_floating(x, [&]<class T>(T) {
    const Tensor h = weight.defined() ? Tensor::empty(x.shape(), x.dtype()) : g;  // g * weight
    if (weight.defined()) {
      parameter_grads<T>(z, g, x, mean, rstd, h, grads);
      apply_parameters<T>(z, g.data<T>(), weight, {}, h);
    }
    const NormInputs<T> in{z.rows(), x.data<T>(), nullptr, nullptr};
    const NormStatistics<T> given{mean.data<T>(), rstd.data<T>()};
    for_parts(in.shape.batch, in.shape.size,
              [=, from = h.data<T>(), dx = grads.dx.data<T>()](std::int64_t begin, std::int64_t end) {
                HOP_PICK(layer_norm_grad_rows<T>)(in, from, given, dx, begin, end);
              });
  });
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const GroupNormOperations GroupNormOperations::cpu = {
    .group_norm = cpu::group_norm,
    .group_norm_grad = cpu::group_norm_grad,
};

}  // namespace hop::kernels
