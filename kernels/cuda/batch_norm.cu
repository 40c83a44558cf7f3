// Batch normalisation of x (N, C, ..), seen as (batch, channels, size): a channel is `batch` runs of `size`
// neighbouring values. y = (x - mean) * rstd * weight + bias, with the statistics of each channel.
//
// Nothing can be written before a channel's statistics are known, and a channel (128 images of 32 x 32: half a
// megabyte) is more than a multiprocessor holds. So there are two kernels, or one if a channel has one part: the first
// stores the sums of each part, the second merges them in each of its blocks and writes. Floor: x is read twice and
// written once, 3 s bytes per value forward (s = sizeof(T)), 5 s backward; within L2 nearly 2 s, 4 s.
//
// The variance of a part is taken around the part's own mean, on values in registers; parts are then merged by the
// formula of Chan, Golub & LeVeque (1983): two passes' accuracy for one read. The order of all merges is fixed.
//
// A tail, y = relu(normalised + residual), is computed where values are written and undone where gradients are first
// read. Only a residual costs memory traffic: one more matrix read forward; one read and one written backward.
#include <cmath>

#include "kernels/batch_norm_operations.h"
#include "kernels/cuda/batch_norm_device.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

using std::sqrt;  // the overload for numbers

/// The sums of a part: mean and squared deviations forward, sums of g and of g * xhat backward.
template <class T>
struct Sums {
  T first, second;
};

template <class T>
struct Parameters {
  const T *weight, *bias;  // or null
  __device__ T weight_of(std::int64_t c) const { return weight == nullptr ? T{1} : weight[c]; }
  __device__ T bias_of(std::int64_t c) const { return bias == nullptr ? T{0} : bias[c]; }
};

/// value if y, relu's result or its argument, is positive or NaN, otherwise 0.
template <class T>
__device__ T where_relu_passes(T y, T value) {
  return y <= T{0} ? T{0} : value;
}

// ---- Forward

/// A BatchNormTail: y = relu(normalised + residual).
template <class T>
struct Tail {
  const T* residual;  // or null
  bool relu;
};

template <class T>
struct Forward {
  using Value = T;
  const T* x;
  Parameters<T> parameters;
  T eps;
  Tail<T> tail;
  T *y, *mean, *rstd, *var;

  template <class Part>
  __device__ Sums<T> sums(const Part& part) const {
    constexpr int kWidth = Part::kWidth;
    struct Values {
      Packet<T, kWidth> slot[Part::kSlots] = {};
    };
    const auto fetch = [&](std::int64_t from, Values& values) {
      part.for_each(from, min(part.end, from + kChunk), [&](int slot, int, std::int64_t where) {
        values.slot[slot] = load<kWidth>(x + where, part.shape.aligned);
      });
    };
    // Two trees stand between one chunk's loads and the next one's. If a thread has registers for a second chunk, its
    // loads are issued before the trees of the first, so that memory is never idle.
    constexpr bool kAhead = Part::kSlots <= kValues;
    Values next;
    if (kAhead) fetch(part.begin, next);
    Moments<T> all;
    for_each_chunk(part.begin, part.end, [&](std::int64_t from, std::int64_t to) {
      Values held = next;
      fetch(kAhead ? to : from, kAhead ? next : held);
      T sum[Part::kSums] = {}, squares[Part::kSums] = {};
      part.for_each(from, to, [&](int slot, int of, std::int64_t) {
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum[of] += held.slot[slot].v[i];
      });
      const T m = part.tree(sum) / static_cast<T>(to - from);
      part.for_each(from, to, [&](int slot, int of, std::int64_t) {
#pragma unroll
        for (int i = 0; i < kWidth; ++i) squares[of] += (held.slot[slot].v[i] - m) * (held.slot[slot].v[i] - m);
      });
      all = all.then({to - from, m, part.tree(squares)});
    });
    return {all.mean, all.m2};
  }
  /// Lane l has parts l and l + 32. Then lanes combine as in warp_reduce, the lower lane first.
  __device__ Sums<T> merged(const Channels& shape, const Sums<T>* partial) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    Moments<T> all;
    for (int part = lane; part < shape.parts; part += 32)
      all = all.then({shape.count_of(part), partial[part].first, partial[part].second});
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
      const Moments<T> other = all.from_lane(distance);
      all = (lane & distance) == 0 ? all.then(other) : other.then(all);
    }
    return {all.mean, all.m2};
  }
  template <class Part>
  __device__ void write(const Part& part, const Sums<T>& total) const {
    const std::int64_t c = part.channel;
    const T m = total.first, v = total.second / static_cast<T>(part.shape.count), r = T{1} / sqrt(v + eps);
    const T weight = parameters.weight_of(c), bias = parameters.bias_of(c);
    const auto normalised = [=](T value) { return (value - m) * r * weight + bias; };
    const auto activated = [relu = tail.relu](T value) { return relu ? where_relu_passes(value, value) : value; };
    const auto alone = [=](T value) { return activated(normalised(value)); };
    const auto with_residual = [=](T value, T other) { return activated(normalised(value) + other); };
    tail.residual == nullptr ? fill(part, y, alone, x) : fill(part, y, with_residual, x, tail.residual);
    if (part.begin != 0 || !part.speaks()) return;
    mean[c] = m;
    rstd[c] = r;
    var[c] = v;
  }
};

/// Evaluation: the statistics are given. Floor: 2 s per value.
template <class T>
struct Apply {
  using Value = T;
  const T* x;
  Parameters<T> parameters;
  const T *mean, *rstd;
  T* y;

  template <class Part>
  __device__ Sums<T> sums(const Part&) const {
    return {};
  }
  __device__ Sums<T> merged(const Channels&, const Sums<T>*) const { return {}; }
  template <class Part>
  __device__ void write(const Part& part, const Sums<T>&) const {
    const std::int64_t c = part.channel;
    const T m = mean[c], r = rstd[c], weight = parameters.weight_of(c), bias = parameters.bias_of(c);
    fill(
        part, y, [=](T value) { return (value - m) * r * weight + bias; }, x);
  }
};

// ---- Backward: dx = rstd * weight * (g - mean(g) - xhat * mean(g * xhat)), xhat = (x - mean) * rstd

/// A BatchNormTailGrad. With y, the first of the two steps writes dresidual. Without y, relu's input is made from x.
template <class T>
struct TailGrad {
  bool relu;
  const T* y;
  T* dresidual;
};

template <class T>
struct Backward {
  using Value = T;
  const T *g, *x;
  Parameters<T> parameters;
  const T *mean, *rstd;
  TailGrad<T> tail;
  T *dx, *dweight, *dbias;  // dweight and dbias may be null; dx, or the tail's dresidual, may be g

  template <class Part>
  __device__ Sums<T> sums(const Part& part) const {
    using Values = Packet<T, Part::kWidth>;
    const std::int64_t c = part.channel;
    const T m = mean[c], r = rstd[c], weight = parameters.weight_of(c), bias = parameters.bias_of(c);
    const bool aligned = part.shape.aligned;
    T g_sum[Part::kSums] = {}, gx_sum[Part::kSums] = {};
    // Each kind of tail has its own loop: a branch in the loop would keep loads from being issued together.
    const auto walk = [&](const auto& undo_tail) {
      for_each_chunk(part.begin, part.end, [&](std::int64_t from, std::int64_t to) {
        part.stream(from, to, [&](int, int of, std::int64_t where) {
          Values slope = load<Part::kWidth>(g + where, aligned);
          const Values value = load<Part::kWidth>(x + where, aligned);
          undo_tail(slope, value, where);
#pragma unroll
          for (int i = 0; i < Part::kWidth; ++i) {
            g_sum[of] += slope.v[i];
            gx_sum[of] += slope.v[i] * ((value.v[i] - m) * r);
          }
        });
      });
    };
    const auto mask_by = [](Values& slope, const auto& y_of) {
#pragma unroll
      for (int i = 0; i < Part::kWidth; ++i) slope.v[i] = where_relu_passes(y_of(i), slope.v[i]);
    };
    if (!tail.relu)
      walk([](Values&, const Values&, std::int64_t) {});
    else if (tail.y == nullptr)
      walk([&](Values& slope, const Values& value, std::int64_t) {
        mask_by(slope, [&](int i) { return (value.v[i] - m) * r * weight + bias; });
      });
    else
      walk([&](Values& slope, const Values&, std::int64_t where) {
        const Values y = load<Part::kWidth>(tail.y + where, aligned);
        mask_by(slope, [&](int i) { return y.v[i]; });
        store(tail.dresidual + where, slope, aligned);
      });
    const T g_total = part.tree(g_sum);
    return {g_total, part.tree(gx_sum)};
  }
  __device__ Sums<T> merged(const Channels& shape, const Sums<T>* partial) const {
    Sums<T> all = {};
    for (int part = static_cast<int>(threadIdx.x) % 32; part < shape.parts; part += 32) {
      all.first += partial[part].first;
      all.second += partial[part].second;
    }
    return {warp_reduce<Add>(all.first), warp_reduce<Add>(all.second)};
  }
  template <class Part>
  __device__ void write(const Part& part, const Sums<T>& total) const {
    const std::int64_t c = part.channel;
    const T m = mean[c], r = rstd[c], weight = parameters.weight_of(c), bias = parameters.bias_of(c),
            scale = r * weight;
    const T count = static_cast<T>(part.shape.count), g_mean = total.first / count, gx_mean = total.second / count;
    const bool is_masked = tail.y != nullptr;
    const bool masks = tail.relu && !is_masked;
    const auto dx_of = [=](T slope, T value) {
      const T xhat = (value - m) * r;
      if (masks) slope = where_relu_passes(xhat * weight + bias, slope);
      return scale * (slope - g_mean - xhat * gx_mean);
    };
    fill(part, dx, dx_of, is_masked ? tail.dresidual : g, x);
    if (part.begin != 0 || !part.speaks()) return;
    if (dweight != nullptr) dweight[c] = total.second;
    if (dbias != nullptr) dbias[c] = total.first;
  }
};

// ---- Kernels and host side

enum class Step { sums, write, both };

/// One part of one channel, or of a column of them, per block. partial: (channels, parts). The write step takes the
/// parts in the opposite order: what the sums read last may still be in the L2 cache. The 1: as in rows_device.h,
/// against spills.
template <class Pass, class Part, Step kStep>
__global__ void __launch_bounds__(kBlock, 1)
    walk_channels(Pass pass, const __grid_constant__ Channels shape, Sums<typename Pass::Value>* partial) {
  const std::int64_t block = kStep == Step::write ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
  const std::int64_t index = block % shape.parts;
  const Part part(shape, block / shape.parts, index);
  if constexpr (kStep == Step::sums) {
    const auto sums = pass.sums(part);
    if (part.speaks()) partial[part.channel * shape.parts + index] = sums;
  } else if constexpr (kStep == Step::both) {
    pass.write(part, pass.sums(part));
  } else {
    pass.write(part,
               part.total([&](std::int64_t channel) { return pass.merged(shape, partial + channel * shape.parts); }));
  }
}

template <class Part, class Pass>
void launch_steps(const Channels& shape, std::int64_t groups, const Pass& pass, bool with_sums, const Tensor& like) {
  using T = typename Pass::Value;
  const auto run = [&](auto kernel, Sums<T>* partial) {
    const auto blocks = static_cast<unsigned>(groups * shape.parts);
    launch(kernel, dim3(blocks), dim3(kBlock), 0, current_stream(), pass, shape, partial);
  };
  if (shape.parts == 1 || !with_sums) return run(walk_channels<Pass, Part, Step::both>, nullptr);
  const Tensor room = Tensor::empty({shape.channels, shape.parts, 2}, like.dtype(), like.device());
  const auto partial = reinterpret_cast<Sums<T>*>(room.raw_data());
  run(walk_channels<Pass, Part, Step::sums>, partial);
  run(walk_channels<Pass, Part, Step::write>, partial);
}

/// Queues the steps of pass(zero of the dtype) for x. `with_sums`: whether the pass needs sums over the channel.
template <class Pass, class... Matrices>
void launch_channels(const Pass& pass, bool with_sums, const Tensor& x, const Matrices&... matrices) {
  Channels shape(x.shape());
  const auto address = [](const Tensor& t) { return t.defined() ? t.raw_data() : nullptr; };
  shape.aligned = all_aligned(x.raw_data(), address(matrices)...);
  constexpr std::int64_t kColumns = ColumnPart::kColumns;
  visit_floating(x, [&]<class T>(T zero) {
    if (shape.size == 1 && shape.channels >= kColumns)
      launch_steps<ColumnPart>(shape, (shape.channels + kColumns - 1) / kColumns, pass(zero), with_sums, x);
    else if (shape.size % kPerAccess<T> == 0)
      launch_steps<Part<kPerAccess<T>>>(shape, shape.channels, pass(zero), with_sums, x);
    else
      launch_steps<Part<1>>(shape, shape.channels, pass(zero), with_sums, x);
  });
}

void batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const BatchNormTail& tail,
                const NormResult& result) {
  const Tensor from = dense(x), w = dense(weight), b = dense(bias), residual = dense(tail.residual);
  const auto pass = [&]<class T>(T) {
    return Forward<T>{from.data<T>(),        {data_or_null<T>(w), data_or_null<T>(b)},
                      static_cast<T>(eps),   {data_or_null<T>(residual), tail.relu},
                      result.y.data<T>(),    result.mean.data<T>(),
                      result.rstd.data<T>(), result.var.data<T>()};
  };
  launch_channels(pass, true, from, result.y, residual);
}

void batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                     const BatchNormTailGrad& tail, const NormGrads& grads) {
  const Tensor from_g = dense(g), from = dense(x), y = dense(tail.y), w = dense(weight), b = dense(tail.bias);
  const Tensor m = dense(mean), r = dense(rstd);
  const auto pass = [&]<class T>(T) {
    return Backward<T>{from_g.data<T>(),
                       from.data<T>(),
                       {data_or_null<T>(w), data_or_null<T>(b)},
                       m.data<T>(),
                       r.data<T>(),
                       {tail.relu, data_or_null<T>(y), data_or_null<T>(grads.dresidual)},
                       grads.dx.data<T>(),
                       data_or_null<T>(grads.dweight),
                       data_or_null<T>(grads.dbias)};
  };
  launch_channels(pass, true, from, from_g, y, grads.dx, grads.dresidual);
}

void batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& rstd,
                      const Tensor& y) {
  const Tensor from = dense(x), w = dense(weight), b = dense(bias), m = dense(mean), r = dense(rstd);
  const auto pass = [&]<class T>(T) {
    return Apply<T>{from.data<T>(), {data_or_null<T>(w), data_or_null<T>(b)}, m.data<T>(), r.data<T>(), y.data<T>()};
  };
  launch_channels(pass, false, from, y);
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const BatchNormOperations BatchNormOperations::cuda = {
    .batch_norm = cuda::on_device<cuda::batch_norm>,
    .batch_norm_grad = cuda::on_device<cuda::batch_norm_grad>,
    .batch_norm_apply = cuda::on_device<cuda::batch_norm_apply>,
};

}  // namespace hop::kernels
