// Random numbers by their address (tensor/random.h): element i is a function of (key, step, draw, i), so any grid gives
// the words of the CPU, and uniform numbers and dropout its bits. Normal numbers use log and cos. CUDA's and the C
// library's may differ in the last bits of a double, and then some floats differ in their last bit. A thread makes the
// four words of one Philox block, some 50 integer instructions, and moves 16 bytes: near the point where a card's
// integer units and its memory are equally busy.
#include <cmath>

#include "kernels/cuda/grid.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/packet.h"
#include "kernels/cuda/random_device.h"
#include "kernels/cuda/runtime.h"
#include "kernels/random_operations.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kWords = 4;  // per Philox block

/// Calls f(block, its words) for the blocks that hold `words` words.
template <class F>
__device__ inline void for_each_block(RandomAddress address, std::int64_t words, const F& f) {
  address = now(address);
  const std::int64_t step = std::int64_t{gridDim.x} * kThreads, blocks = (words + kWords - 1) / kWords;
  for (std::int64_t b = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; b < blocks; b += step)
    f(b, address.words(static_cast<std::uint64_t>(b)));
}

/// How many of the `width` elements from `first` on exist, and whether they are moved one by one.
struct Span {
  int count;
  bool packed;
};
__device__ inline Span span_of(std::int64_t first, std::int64_t n, int width, bool aligned) {
  const std::int64_t left = n - first;
  return {left < width ? static_cast<int>(left) : width, aligned && left >= width};
}

template <class T, int V>
__device__ inline void store_span(T* y, Span span, const T (&values)[V]) {
  if (span.packed) return store_packet(reinterpret_cast<std::byte*>(y), V, values);
  for (int v = 0; v < V; ++v) {
    if (v < span.count) y[v] = values[v];
  }
}

// ---- uniform. Floor: one write of y

/// low + u (high - low) with u of 24 bits. Rounding may reach high, so the result is bounded by `last`, the largest
/// value below high.
template <class T>
struct Range {
  T low, width, last;
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    uniform_kernel(T* y, std::int64_t n, Range<T> range, RandomAddress address, bool aligned) {
  for_each_block(address, n, [&](std::int64_t block, const std::array<std::uint32_t, kWords>& words) {
    T values[kWords];
    for (int v = 0; v < kWords; ++v) {
      const T value = range.low + T{uniform01(words[v])} * range.width;
      values[v] = value < range.last ? value : range.last;
    }
    store_span(y + block * kWords, span_of(block * kWords, n, kWords, aligned), values);
  });
}

// ---- normal. Floor: one write of y, but bound by arithmetic in double precision: for initial values, not for steps

/// Box-Muller of two words.
__device__ inline double normal_of(std::uint32_t word0, std::uint32_t word1) {
  constexpr double kTwoPi = 6.283185307179586476925286766559;
  const double u = (word0 + 0.5) * 0x1p-32;  // in (0, 1): the logarithm is finite
  const double v = (word1 + 0.5) * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(kTwoPi * v);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    normal_kernel(T* y, std::int64_t n, double mean, double std, RandomAddress address) {
  for_each_block(address, 2 * n, [&](std::int64_t block, const std::array<std::uint32_t, kWords>& words) {
    for (int v = 0; v < 2; ++v) {
      const std::int64_t i = 2 * block + v;
      if (i < n) y[i] = static_cast<T>(mean + std * normal_of(words[2 * v], words[2 * v + 1]));
    }
  });
}

// ---- dropout. Floor: one read of x and one write of y; no mask is stored

template <class T>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const T* x, T* y, std::int64_t n, float p, T scale, RandomAddress address, bool aligned) {
  for_each_block(address, n, [&](std::int64_t block, const std::array<std::uint32_t, kWords>& words) {
    const std::int64_t first = block * kWords;
    const Span span = span_of(first, n, kWords, aligned);
    T values[kWords] = {};
    if (span.packed) {
      load_stored<T>(reinterpret_cast<const std::byte*>(x + first), kWords, values);
    } else {
      for (int v = 0; v < kWords; ++v) {
        if (v < span.count) values[v] = x[first + v];
      }
    }
    for (int v = 0; v < kWords; ++v) values[v] = uniform01(words[v]) < p ? T{0} : values[v] * scale;
    store_span(y + first, span, values);
  });
}

bool lies_on_packets(const Tensor& x) {
  return reinterpret_cast<std::uintptr_t>(x.raw_data()) % (kWords * size_of(x.dtype())) == 0;
}

unsigned grid_of(std::int64_t words) { return blocks_for((words + kWords - 1) / kWords); }

void uniform(const Tensor& y, double low, double high, const RandomAddress& address) {
  const auto run = [&]<class T>(T) {
    const T from = static_cast<T>(low), to = static_cast<T>(high);
    launch(uniform_kernel<T>, grid_of(y.numel()), kThreads, 0, current_stream(), y.data<T>(), y.numel(),
           Range<T>{from, to - from, std::nextafter(to, from)}, address, lies_on_packets(y));
  };
  y.dtype() == DType::f32 ? run(float{}) : run(double{});
}

void normal(const Tensor& y, double mean, double std, const RandomAddress& address) {
  const auto run = [&]<class T>(T) {
    launch(normal_kernel<T>, grid_of(2 * y.numel()), kThreads, 0, current_stream(), y.data<T>(), y.numel(), mean, std,
           address);
  };
  y.dtype() == DType::f32 ? run(float{}) : run(double{});
}

void dropout(const Tensor& x, const Tensor& y, double p, const RandomAddress& address) {
  const auto run = [&]<class T>(T) {
    launch(dropout_kernel<T>, grid_of(y.numel()), kThreads, 0, current_stream(), x.data<T>(), y.data<T>(), y.numel(),
           static_cast<float>(p), static_cast<T>(1 / (1 - p)), address, lies_on_packets(x) && lies_on_packets(y));
  };
  x.dtype() == DType::f32 ? run(float{}) : run(double{});
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const RandomOperations RandomOperations::cuda = {
    .uniform = cuda::on_device<cuda::uniform>,
    .normal = cuda::on_device<cuda::normal>,
    .dropout = cuda::on_device<cuda::dropout>,
};

}  // namespace hop::kernels
