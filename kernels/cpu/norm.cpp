#include <algorithm>

#include "kernels/batch_norm_operations.h"
#include "kernels/capture_internal.h"
#include "kernels/copy.h"
#include "kernels/copy_operations.h"
#include "kernels/cpu/norm_loops_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/layer_norm_operations.h"
#include "kernels/layout_internal.h"
#include "kernels/view.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements per thread's turn

template <class F>
decltype(auto) visit_floating(const Tensor& x, const F& f) {
  return x.dtype() == DType::f32 ? f(float{}) : f(double{});
}

/// Launches f(begin, end) over `count` parts of `size` elements each. f holds addresses by value.
template <class F>
void for_parts(std::int64_t count, std::int64_t size, const F& f) {
  launch([f, count, grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, size))] {
    parallel_for(count, grain, f);
  });
}

template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

template <class T>
NormInputs<T> inputs(const NormShape& shape, const Tensor& x, const Tensor& weight, const Tensor& bias = {}) {
  return {shape, x.data<T>(), data_or_null<T>(weight), data_or_null<T>(bias)};
}

template <class T>
NormStatistics<T> statistics(const Tensor& mean, const Tensor& rstd, const Tensor& var = {}) {
  return {mean.data<T>(), rstd.data<T>(), data_or_null<T>(var)};
}

Tensor contiguous_or_undefined(const Tensor& x) { return x.defined() ? contiguous(x) : x; }

/// x (N, C, ..) as (batch, channels, size) in memory, or with the channels innermost as (batch size, channels). If a
/// channel's runs are shorter than a pack, the channel becomes one run of N size values: channels then come first in
/// memory, unless they come last. A function of the shape alone.
class ChannelView {
 public:
  explicit ChannelView(const Tensor& x) : shape_(x.shape()), columns_(is_channels_last(x)) {
    const std::int64_t batch = shape_[0], channels = shape_[1], size = x.numel() / (batch * channels);
    const bool is_short = size < 16 && batch > 1;
    norm_ = is_short ? NormShape{1, channels, batch * size} : NormShape{batch, channels, size};
    channels_first_ = is_short && !columns_;
  }
  const NormShape& norm() const { return norm_; }
  bool columns() const { return columns_; }
  Tensor enter(const Tensor& x) const {
    if (columns_) return in_layout(Layout::channels_last, x);
    return contiguous(channels_first_ ? transpose(x, 0, 1) : x);
  }
  /// The tensor to which the values of the result y are written: y itself or, with the channels first, another tensor,
  /// which leave() copies to y.
  Tensor place_of(const Tensor& y) const {
    return channels_first_ && y.defined() ? Tensor::empty(transpose(y, 0, 1).shape(), y.dtype()) : y;
  }
  void leave(const Tensor& place, const Tensor& y) const {
    if (!place.is_same(y)) CopyOperations::cpu.copy(y, transpose(place, 0, 1));
  }

 private:
  Shape shape_;
  bool columns_;
  NormShape norm_;
  bool channels_first_;
};

/// Launches f(begin, end) over the channels of an image with channels last: up to 64 at a time, in packs of sixteen, or
/// fewer if threads would otherwise be idle.
template <class F>
void for_columns(const NormShape& z, const F& f) {
  const std::int64_t packs = z.channels / 16 / compute_threads();
  const std::int64_t width = packs > 0 || compute_threads() == 1 ? 16 * std::clamp<std::int64_t>(packs, 1, 4) : 4;
  launch([f, channels = z.channels, width] { parallel_for(channels, width, f); });
}

/// Launches f(begin, end) over its rows.
template <class F>
void for_rows(const NormShape& z, const F& f) {
  for_parts(z.batch * z.size, z.channels, f);
}

void layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const NormResult& result) {
  const Tensor dense = contiguous(x), w = contiguous_or_undefined(weight), b = contiguous_or_undefined(bias);
  const std::int64_t rows = result.mean.numel();
  visit_floating(x, [&]<class T>(T) {
    const NormInputs<T> in = inputs<T>({rows, 1, x.numel() / rows}, dense, w, b);
    const NormStatistics<T> made = statistics<T>(result.mean, result.rstd);
    for_parts(rows, in.shape.size, [=, y = result.y.data<T>()](std::int64_t begin, std::int64_t end) {
      HOP_PICK(layer_norm_rows<T>)(in, eps, made, y, begin, end);
    });
  });
}

void layer_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                     const NormGrads& grads) {
  const Tensor dense = contiguous(x), w = contiguous_or_undefined(weight), dense_g = contiguous(g);
  const Tensor m = contiguous(mean), r = contiguous(rstd);
  const std::int64_t rows = mean.numel();
  visit_floating(x, [&]<class T>(T) {
    const NormInputs<T> in = inputs<T>({rows, 1, x.numel() / rows}, dense, w);
    const NormStatistics<T> given = statistics<T>(m, r);
    const T* from = dense_g.data<T>();
    for_parts(rows, in.shape.size, [=, dx = grads.dx.data<T>()](std::int64_t begin, std::int64_t end) {
      HOP_PICK(layer_norm_grad_rows<T>)(in, from, given, dx, begin, end);
    });
    if (!weight.defined()) return;
    const NormGradients<T> out{nullptr, grads.dweight.data<T>(), grads.dbias.data<T>()};
    for_parts((in.shape.size + 15) / 16, 16 * rows, [=](std::int64_t begin, std::int64_t end) {
      HOP_PICK(layer_norm_grad_columns<T>)(in, from, given, out, begin, end);
    });
  });
}

void batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const BatchNormTail& tail,
                const NormResult& result) {
  const ChannelView view(x);
  const std::int64_t channels = view.norm().channels;
  const Tensor y = view.place_of(result.y);
  const Tensor dense = view.enter(x), w = contiguous_or_undefined(weight), b = contiguous_or_undefined(bias);
  const Tensor residual = tail.residual.defined() ? view.enter(tail.residual) : Tensor();
  visit_floating(x, [&]<class T>(T) {
    const NormInputs<T> in = inputs<T>(view.norm(), dense, w, b);
    const NormTail<T> after{data_or_null<T>(residual), tail.relu};
    const NormStatistics<T> made = statistics<T>(result.mean, result.rstd, result.var);
    if (view.columns()) {
      for_columns(in.shape, [=](std::int64_t begin, std::int64_t end) {
        HOP_PICK(batch_norm_column_statistics<T>)(in, eps, made, begin, end);
      });
      return for_rows(in.shape, [=, to = y.data<T>()](std::int64_t begin, std::int64_t end) {
        HOP_PICK(batch_norm_rows<T>)(in, after, made, to, begin, end);
      });
    }
    for_parts(channels, x.numel() / channels, [=, to = y.data<T>()](std::int64_t begin, std::int64_t end) {
      HOP_PICK(batch_norm_channels<T>)(in, eps, after, made, to, begin, end);
    });
  });
  view.leave(y, result.y);
}

void batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                     const BatchNormTailGrad& tail, const NormGrads& grads) {
  const ChannelView view(x);
  const Tensor dense = view.enter(x), dense_g = view.enter(g), w = contiguous_or_undefined(weight);
  const Tensor m = contiguous(mean), r = contiguous(rstd), b = contiguous_or_undefined(tail.bias);
  const Tensor y = tail.y.defined() ? view.enter(tail.y) : Tensor();
  const Tensor dx = view.place_of(grads.dx), dresidual = view.place_of(grads.dresidual);
  const std::int64_t channels = view.norm().channels;
  // The loops over columns read the sums again, so the sums need a place even if the caller does not want them.
  const bool sums_aside = view.columns() && !weight.defined();
  const Tensor g_sums = sums_aside ? Tensor::empty({channels}, x.dtype()) : grads.dbias,
               gx_sums = sums_aside ? Tensor::empty({channels}, x.dtype()) : grads.dweight;
  visit_floating(x, [&]<class T>(T) {
    const NormInputs<T> in = inputs<T>(view.norm(), dense, w, b);
    const NormTailGrad<T> after{tail.relu, data_or_null<T>(y), data_or_null<T>(dresidual)};
    const NormGradients<T> out{dx.data<T>(), data_or_null<T>(gx_sums), data_or_null<T>(g_sums)};
    const NormStatistics<T> given = statistics<T>(m, r);
    if (view.columns()) {
      for_columns(in.shape, [=, from = dense_g.data<T>()](std::int64_t begin, std::int64_t end) {
        HOP_PICK(batch_norm_grad_columns<T>)(in, from, after, given, out, begin, end);
      });
      return for_rows(in.shape, [=, from = dense_g.data<T>()](std::int64_t begin, std::int64_t end) {
        HOP_PICK(batch_norm_grad_rows<T>)(in, from, after, given, out, begin, end);
      });
    }
    for_parts(channels, x.numel() / channels, [=, from = dense_g.data<T>()](std::int64_t begin, std::int64_t end) {
      HOP_PICK(batch_norm_grad_channels<T>)(in, from, after, given, out, begin, end);
    });
  });
  view.leave(dx, grads.dx);
  if (dresidual.defined()) view.leave(dresidual, grads.dresidual);
}

void batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& rstd,
                      const Tensor& result) {
  const ChannelView view(x);
  const Tensor y = view.place_of(result);
  const Tensor dense = view.enter(x), w = contiguous_or_undefined(weight), b = contiguous_or_undefined(bias);
  const Tensor m = contiguous(mean), r = contiguous(rstd);
  const std::int64_t channels = view.norm().channels;
  visit_floating(x, [&]<class T>(T) {
    const NormInputs<T> in = inputs<T>(view.norm(), dense, w, b);
    const NormStatistics<T> given = statistics<T>(m, r);
    if (view.columns()) {
      return for_rows(in.shape, [=, to = y.data<T>()](std::int64_t begin, std::int64_t end) {
        HOP_PICK(batch_norm_rows<T>)(in, NormTail<T>(), given, to, begin, end);
      });
    }
    for_parts(channels, x.numel() / channels, [=, to = y.data<T>()](std::int64_t begin, std::int64_t end) {
      HOP_PICK(batch_norm_apply_channels<T>)(in, given, to, begin, end);
    });
  });
  view.leave(y, result);
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const LayerNormOperations LayerNormOperations::cpu = {
    .layer_norm = cpu::layer_norm,
    .layer_norm_grad = cpu::layer_norm_grad,
};

const BatchNormOperations BatchNormOperations::cpu = {
    .batch_norm = cpu::batch_norm,
    .batch_norm_grad = cpu::batch_norm_grad,
    .batch_norm_apply = cpu::batch_norm_apply,
};

}  // namespace hop::kernels
