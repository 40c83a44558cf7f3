// How threads combine their values: within a warp by shuffles, within a block through shared memory. The order is a
// fixed tree, the same in every run, and no atomic is needed: floating-point addition is not associative, so an order
// that the hardware chooses would change the last bits.
#pragma once

#include <limits>
#include <type_traits>

#include "kernels/cuda/language.h"

namespace hop::kernels::cuda {

inline constexpr unsigned kAllLanes = 0xffffffffU;

// ---- Operations for reductions: associative (except for rounding), with a neutral value.

struct Add {
  template <class T>
  static __device__ T identity() {
    return T{0};
  }
  template <class T>
  static __device__ T combine(T a, T b) {
    return a + b;
  }
};

/// NaN wins.
struct Max {
  template <class T>
  static __device__ T identity() {
    return std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
  }
  template <class T>
  static __device__ T combine(T a, T b) {
    return a > b || a != a ? a : b;
  }
};

/// NaN wins.
struct Min {
  template <class T>
  static __device__ T identity() {
    return std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  }
  template <class T>
  static __device__ T combine(T a, T b) {
    return a < b || a != a ? a : b;
  }
};

// ---- Trees

/// Combines the values of kLanes neighbouring lanes; all of them get the result. In step 1 lane l combines with lane l
/// ^ 16, in step 2 the pairs combine, and so on: five steps for 32 values. Because a + b = b + a, all lanes have the
/// same bits. All 32 lanes of the warp must take part.
template <class Op, int kLanes = 32, class T>
__device__ __forceinline__ T warp_reduce(T value) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value = Op::combine(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

/// Combines the values of all kThreads threads of a block (one-dimensional); all of them get the result. Each warp
/// folds its own 32 values. Then every warp folds the results of all warps, which is cheaper than one warp folding them
/// and telling the others.
template <class Op, int kThreads, class T>
__device__ __forceinline__ T block_reduce(T value) {
  static_assert(kThreads % 32 == 0 && kThreads <= 1024);
  __shared__ T partial[kThreads / 32];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  value = warp_reduce<Op>(value);
  __syncthreads();  // all threads have read `partial` of the call before
  if (lane == 0) partial[warp] = value;
  __syncthreads();
  return warp_reduce<Op>(lane < kThreads / 32 ? partial[lane] : Op::template identity<T>());
}

}  // namespace hop::kernels::cuda
