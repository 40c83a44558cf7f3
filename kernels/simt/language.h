// The CUDA C++ language for a host compiler: nvcc's built-in words, as macros and functions over the executor. A .cu
// file includes kernels/cuda/language.h and looks the same for both compilers.
#pragma once

#include "kernels/simt/arithmetic.h"
#include "kernels/simt/atomics.h"
#include "kernels/simt/executor.h"
#include "kernels/simt/vector_types.h"
#include "kernels/simt/warp.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static thread_local  // one OS thread runs one block at a time
// __restrict__ is g++'s own word. A function is `inline` or `__forceinline__`, not both.

// ---- Barriers of the block

inline void __syncthreads(hop::simt::Location where = hop::simt::Location::current()) {
  hop::simt::block_barrier("__syncthreads", false, where);
}
inline int __syncthreads_count(int predicate, hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::block_barrier("__syncthreads_count", predicate != 0, where).count;
}
inline int __syncthreads_or(int predicate, hop::simt::Location where = hop::simt::Location::current()) {
  return hop::simt::block_barrier("__syncthreads_or", predicate != 0, where).count > 0;
}
inline int __syncthreads_and(int predicate, hop::simt::Location where = hop::simt::Location::current()) {
  const hop::simt::Vote vote = hop::simt::block_barrier("__syncthreads_and", predicate != 0, where);
  return vote.count == vote.threads;
}

// ---- Fences

inline void __threadfence_block() { hop::simt::fence(); }
inline void __threadfence() { hop::simt::fence(); }
inline void __threadfence_system() { hop::simt::fence(); }
