// Batch normalisation of x (N, C, ..), seen as (batch, channels, size): a channel is `batch` runs of `size`
// neighbouring values. y = (x - mean) * rstd * weight + bias, with the statistics of each channel.
//
// Nothing can be written before a channel's statistics are known, and a channel (128 images of 32 x 32: half a
// megabyte) is more than a multiprocessor holds. So there are two kernels: the first gives each part of each channel a
// block and leaves its sums in memory, the second merges the sums of a channel's parts, every block for itself, and
// writes. A channel of one part takes both steps in one kernel. Floor: x is read twice and written once, 3 s bytes per
// value forward (s = sizeof(T)), 5 s backward; up to the size of the L2 cache the second read is nearly free.
//
// The variance of a part is taken around the part's own mean, on values in registers; parts are then merged by the
// formula of Chan, Golub & LeVeque (1983): two passes' accuracy for one read. The order of all merges is fixed.
// (N, C) alone, where size is 1, reads with a stride of C: the blocks of neighbouring channels share each sector of 32
// bytes through the L2 cache.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/access_device.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/operations_internal.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/walk.h"

namespace hop::kernels::cuda {
namespace {

using std::sqrt;  // of a number

constexpr int kBlock = 256;
constexpr int kValues = 8;                // of a thread at once
constexpr int kChunk = kBlock * kValues;  // of a block at once
constexpr int kMaxParts = 64;             // a warp merges them: two per lane

/// How the channels lie and how they are cut.
struct Channels {
  std::int64_t channels, size, count;  // count: values per channel
  std::int64_t parts, part_count;      // part_count: values per part, whole chunks
  FastDivision by_size;
  bool aligned;

  explicit Channels(const Shape& x)
      : channels(x[1]), size(x.numel() / (x[0] * x[1])), count(x[0] * size), by_size(), aligned(true) {
    const auto ceil_div = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
    const std::int64_t wanted = std::clamp<std::int64_t>(1024 / channels, 1, kMaxParts);
    part_count = ceil_div(ceil_div(count, wanted), kChunk) * kChunk;
    parts = ceil_div(count, part_count);
    if (count <= kMaxElements) by_size = FastDivision(static_cast<std::uint32_t>(size));
  }
  /// Where value e of a channel lies.
  __device__ std::int64_t at(std::int64_t channel, std::int64_t e) const {
    const std::int64_t run = count <= kMaxElements ? by_size.quotient(static_cast<std::uint32_t>(e)) : e / size;
    return (run * channels + channel) * size + (e - run * size);
  }
  __device__ std::int64_t count_of(std::int64_t part) const {
    return max(std::int64_t{0}, min(count - part * part_count, part_count));
  }
};

/// The values of one part of one channel, kWidth per access.
template <int kWidth>
struct Part {
  const Channels& shape;
  std::int64_t channel, begin, end;

  __device__ Part(const Channels& channels, std::int64_t c, std::int64_t part)
      : shape(channels), channel(c), begin(part * shape.part_count), end(begin + shape.count_of(part)) {}
  /// f(where) for every access of this thread to the values from `from` to `to`; `where` is that of its first value.
  template <class F>
  __device__ void for_each(std::int64_t from, std::int64_t to, const F& f) const {
#pragma unroll
    for (int k = 0; k < kValues / kWidth; ++k) {
      const std::int64_t e = from + (k * kBlock + static_cast<int>(threadIdx.x)) * kWidth;
      if (e < to) f(k, shape.at(channel, e));
    }
  }
  /// f(from, to) for every chunk.
  template <class F>
  __device__ void for_each_chunk(const F& f) const {
    for (std::int64_t from = begin; from < end; from += kChunk) f(from, min(end, from + kChunk));
  }
};

/// y = f(i, where, ..) for all values of the part; inputs are loaded as packets.
template <int kWidth, class T, class F, class... Inputs>
__device__ void fill(const Part<kWidth>& part, T* y, const F& f, const Inputs*... inputs) {
  part.for_each_chunk([&](std::int64_t from, std::int64_t to) {
    part.for_each(from, to, [&](int, std::int64_t where) {
      const bool aligned = part.shape.aligned;
      const auto apply = [&](const auto&... packets) {
        Packet<T, kWidth> packet;
#pragma unroll
        for (int i = 0; i < kWidth; ++i) packet.v[i] = f(packets.v[i]...);
        store(y + where, packet, aligned);
      };
      apply(load<kWidth>(inputs + where, aligned)...);
    });
  });
}

/// What a part leaves: mean and squared deviations forward, sums of g and of g * xhat backward.
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

// ---- Forward

/// Mean and squared deviations m2 of n values.
template <class T>
struct Moments {
  std::int64_t n = 0;
  T mean = 0, m2 = 0;

  /// Those of both together. Not symmetric in its rounding: who comes first matters.
  __device__ Moments then(const Moments& next) const {
    if (n == 0) return next;
    if (next.n == 0) return *this;
    const T total = static_cast<T>(n + next.n), delta = next.mean - mean, share = static_cast<T>(next.n) / total;
    return {n + next.n, mean + delta * share, m2 + next.m2 + delta * delta * (static_cast<T>(n) * share)};
  }
  __device__ Moments from_lane(int lane_mask) const {
    return {static_cast<std::int64_t>(__shfl_xor_sync(kAllLanes, static_cast<long long>(n), lane_mask)),
            __shfl_xor_sync(kAllLanes, mean, lane_mask), __shfl_xor_sync(kAllLanes, m2, lane_mask)};
  }
};

template <class T>
struct Forward {
  using Value = T;
  const T* x;
  Parameters<T> parameters;
  T eps;
  T *y, *mean, *rstd;

  template <int kWidth>
  __device__ Sums<T> sums(const Part<kWidth>& part) const {
    Moments<T> all;
    part.for_each_chunk([&](std::int64_t from, std::int64_t to) {
      Packet<T, kWidth> held[kValues / kWidth] = {};
      T sum = 0, squares = 0;
      part.for_each(from, to, [&](int k, std::int64_t where) {
        held[k] = load<kWidth>(x + where, part.shape.aligned);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum += held[k].v[i];
      });
      const T m = block_reduce<Add, kBlock>(sum) / static_cast<T>(to - from);
      part.for_each(from, to, [&](int k, std::int64_t) {
#pragma unroll
        for (int i = 0; i < kWidth; ++i) squares += (held[k].v[i] - m) * (held[k].v[i] - m);
      });
      all = all.then({to - from, m, block_reduce<Add, kBlock>(squares)});
    });
    return {all.mean, all.m2};
  }
  /// Lane l has parts l and l + 32; then lanes meet as in warp_reduce, the lower one first.
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
  template <int kWidth>
  __device__ void write(const Part<kWidth>& part, const Sums<T>& total) const {
    const std::int64_t c = part.channel;
    const T m = total.first, r = T{1} / sqrt(total.second / static_cast<T>(part.shape.count) + eps);
    const T weight = parameters.weight_of(c), bias = parameters.bias_of(c);
    fill(
        part, y, [=](T value) { return (value - m) * r * weight + bias; }, x);
    if (part.begin != 0 || threadIdx.x != 0) return;
    mean[c] = m;
    rstd[c] = r;
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

  template <int kWidth>
  __device__ Sums<T> sums(const Part<kWidth>&) const {
    return {};
  }
  __device__ Sums<T> merged(const Channels&, const Sums<T>*) const { return {}; }
  template <int kWidth>
  __device__ void write(const Part<kWidth>& part, const Sums<T>&) const {
    const std::int64_t c = part.channel;
    const T m = mean[c], r = rstd[c], weight = parameters.weight_of(c), bias = parameters.bias_of(c);
    fill(
        part, y, [=](T value) { return (value - m) * r * weight + bias; }, x);
  }
};

// ---- Backward: dx = rstd * weight * (g - mean(g) - xhat * mean(g * xhat)), xhat = (x - mean) * rstd

template <class T>
struct Backward {
  using Value = T;
  const T *g, *x;
  Parameters<T> parameters;
  const T *mean, *rstd;
  T *dx, *dweight, *dbias;  // dweight and dbias may be null

  template <int kWidth>
  __device__ Sums<T> sums(const Part<kWidth>& part) const {
    const T m = mean[part.channel], r = rstd[part.channel];
    T g_sum = 0, gx_sum = 0;
    part.for_each_chunk([&](std::int64_t from, std::int64_t to) {
      part.for_each(from, to, [&](int, std::int64_t where) {
        const auto slope = load<kWidth>(g + where, part.shape.aligned);
        const auto value = load<kWidth>(x + where, part.shape.aligned);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) {
          g_sum += slope.v[i];
          gx_sum += slope.v[i] * ((value.v[i] - m) * r);
        }
      });
    });
    g_sum = block_reduce<Add, kBlock>(g_sum);
    return {g_sum, block_reduce<Add, kBlock>(gx_sum)};
  }
  __device__ Sums<T> merged(const Channels& shape, const Sums<T>* partial) const {
    Sums<T> all = {};
    for (int part = static_cast<int>(threadIdx.x) % 32; part < shape.parts; part += 32) {
      all.first += partial[part].first;
      all.second += partial[part].second;
    }
    return {warp_reduce<Add>(all.first), warp_reduce<Add>(all.second)};
  }
  template <int kWidth>
  __device__ void write(const Part<kWidth>& part, const Sums<T>& total) const {
    const std::int64_t c = part.channel;
    const T m = mean[c], r = rstd[c], scale = r * parameters.weight_of(c);
    const T count = static_cast<T>(part.shape.count), g_mean = total.first / count, gx_mean = total.second / count;
    fill(
        part, dx, [=](T slope, T value) { return scale * (slope - g_mean - (value - m) * r * gx_mean); }, g, x);
    if (part.begin != 0 || threadIdx.x != 0) return;
    if (dweight != nullptr) dweight[c] = total.second;
    if (dbias != nullptr) dbias[c] = total.first;
  }
};

// ---- Kernels and host side

enum class Step { sums, write, both };

/// One part of one channel per block. partial: (channels, parts). The 1: as in rows_device.h, against spills.
template <class Pass, int kWidth, Step kStep>
__global__ void __launch_bounds__(kBlock, 1)
    walk_channels(Pass pass, const __grid_constant__ Channels shape, Sums<typename Pass::Value>* partial) {
  const std::int64_t channel = blockIdx.x / shape.parts;
  const Part<kWidth> part(shape, channel, blockIdx.x % shape.parts);
  if constexpr (kStep == Step::sums) {
    const auto sums = pass.sums(part);
    if (threadIdx.x == 0) partial[blockIdx.x] = sums;
  } else {
    pass.write(part, kStep == Step::both ? pass.sums(part) : pass.merged(shape, partial + channel * shape.parts));
  }
}

template <int kWidth, class Pass>
void launch_steps(const Channels& shape, const Pass& pass, bool with_sums, const Tensor& like) {
  using T = typename Pass::Value;
  const auto run = [&](auto kernel, Sums<T>* partial) {
    const auto blocks = static_cast<unsigned>(shape.channels * shape.parts);
    launch(kernel, dim3(blocks), dim3(kBlock), 0, current_stream(), pass, shape, partial);
  };
  if (shape.parts == 1 || !with_sums) return run(walk_channels<Pass, kWidth, Step::both>, nullptr);
  const Tensor room = Tensor::empty({shape.channels, shape.parts, 2}, like.dtype(), like.device());
  const auto partial = reinterpret_cast<Sums<T>*>(room.raw_data());
  run(walk_channels<Pass, kWidth, Step::sums>, partial);
  run(walk_channels<Pass, kWidth, Step::write>, partial);
}

/// Queues the steps of pass(zero of the dtype) for x; `with_sums`: it needs sums over the channel.
template <class Pass, class... Matrices>
void launch_channels(const Pass& pass, bool with_sums, const Tensor& x, const Matrices&... matrices) {
  Channels shape(x.shape());
  shape.aligned = all_aligned(x.raw_data(), matrices.raw_data()...);
  const auto run = [&]<class T>(T zero) {
    shape.size % kPerAccess<T> == 0 ? launch_steps<kPerAccess<T>>(shape, pass(zero), with_sums, x)
                                    : launch_steps<1>(shape, pass(zero), with_sums, x);
  };
  visit_floating(x, run);
}

}  // namespace

NormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const auto make = [&](const Shape& shape) { return Tensor::empty(shape, x.dtype(), x.device()); };
  const NormResult result{make(x.shape()), make({x.shape()[1]}), make({x.shape()[1]})};
  const Tensor from = dense(x), w = dense(weight), b = dense(bias);
  const auto pass = [&]<class T>(T) {
    return Forward<T>{from.data<T>(),        {data_or_null<T>(w), data_or_null<T>(b)},
                      static_cast<T>(eps),   result.y.data<T>(),
                      result.mean.data<T>(), result.rstd.data<T>()};
  };
  launch_channels(pass, true, from, result.y);
  return result;
}

NormGrads batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd) {
  const auto make = [&](const Tensor& like) {
    return like.defined() ? Tensor::empty(like.shape(), x.dtype(), x.device()) : Tensor();
  };
  const NormGrads grads{make(x), make(weight), make(weight)};
  const Tensor from_g = dense(g), from = dense(x), w = dense(weight), m = dense(mean), r = dense(rstd);
  const auto pass = [&]<class T>(T) {
    return Backward<T>{
        from_g.data<T>(), from.data<T>(),     {data_or_null<T>(w), nullptr},  m.data<T>(),
        r.data<T>(),      grads.dx.data<T>(), data_or_null<T>(grads.dweight), data_or_null<T>(grads.dbias)};
  };
  launch_channels(pass, true, from, from_g, grads.dx);
  return grads;
}

Tensor batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                        const Tensor& rstd) {
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  const Tensor from = dense(x), w = dense(weight), b = dense(bias), m = dense(mean), r = dense(rstd);
  const auto pass = [&]<class T>(T) {
    return Apply<T>{from.data<T>(), {data_or_null<T>(w), data_or_null<T>(b)}, m.data<T>(), r.data<T>(), y.data<T>()};
  };
  launch_channels(pass, false, from, y);
  return y;
}

}  // namespace hop::kernels::cuda
