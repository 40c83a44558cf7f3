#include "tests/simt/planted_bugs.h"

#include <stdexcept>

namespace hop::kernels::cuda {
namespace {

constexpr unsigned kFullMask = 0xffffffffU;

__device__ inline int thread() { return static_cast<int>(threadIdx.x); }

template <bool kBug>
__global__ void rotate_kernel(const float* x, float* y, int n) {
  __shared__ float tile[256];
  tile[thread()] = x[thread()];
  if (!kBug) __syncthreads();
  y[thread()] = tile[(thread() + 1) % n];
}

template <bool kBug>
__global__ void rotate_twice_kernel(const float* a, const float* b, float* y, int n) {
  __shared__ float tile[256];
  float sum = 0;
  for (const float* x : {a, b}) {
    tile[thread()] = x[thread()];
    __syncthreads();
    sum += tile[(thread() + 1) % n];
    if (!kBug) __syncthreads();
  }
  y[thread()] = sum;
}

template <bool kBug>
__global__ void reverse_warp_kernel(const float* x, float* y) {
  __shared__ float values[32];
  values[thread()] = x[thread()];
  if (!kBug) __syncwarp();
  y[thread()] = values[31 - thread()];
}

__global__ void iota_kernel(float* y, int first, int last) {
  const int i = first + static_cast<int>(blockIdx.x * blockDim.x) + thread();
  if (i <= last) y[i] = static_cast<float>(i);
}

__global__ void iota_of_blocks_kernel(bool bug, float* y) {
  const int block = static_cast<int>(blockIdx.x);
  y[(bug ? 0 : block * 64) + thread()] = static_cast<float>(block * 64 + thread());
}

template <bool kBug>
__global__ void count_threads_kernel(unsigned* counter) {
  if (kBug) {
    *counter += 1;
  } else {
    atomicAdd(counter, 1U);
  }
}

__device__ inline float half_warp_sum(unsigned mask, float value) {
  for (int step = 8; step > 0; step /= 2) value += __shfl_xor_sync(mask, value, step);
  return value;
}

__global__ void half_warp_sums_kernel(bool bug, const float* x, float* y) {
  const unsigned mask = thread() < 16 || bug ? 0x0000ffffU : 0xffff0000U;
  y[thread()] = half_warp_sum(mask, x[thread()]);
}

__global__ void sum_beyond_mask_kernel(bool bug, const float* x, float* y) {
  float value = x[thread()];
  if (bug && thread() >= 16) return;  // .. and so the upper half may leave, the lower half meets without it
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(bug ? 0x0000ffffU : kFullMask, value, step);
  if (thread() == 0) *y = value;
}

__global__ void sum_of_some_kernel(bool bug, float* y, int n) {
  if (bug && thread() >= n) return;
  float value = thread() < n ? 1.0F : 0.0F;
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(kFullMask, value, step);
  if (thread() == 0) *y = value;
}

__global__ void meet_kernel(bool bug, float* y) {
  if (bug && thread() < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[thread()] = 1;
}

__global__ void shuffle_kernel(bool bug, float* y) {
  if (bug && thread() == 5) {
    __syncthreads();
  } else {
    y[thread()] = __shfl_sync(kFullMask, static_cast<float>(thread()), 0);
  }
}

__global__ void copy_through_shared_kernel(bool bug, const float* x, float* y, int n) {
  auto* const buffer = dynamic_shared<float>();
  if (thread() < n || bug) buffer[thread()] = 0;
  if (thread() < n) buffer[thread()] = x[thread()];
  __syncthreads();
  if (thread() < n) y[thread()] = buffer[thread()];
}

template <bool kBug>
__global__ void read_shared_kernel(float* y) {
  __shared__ float values[2];
  if (thread() == 0) values[0] = 3;
  __syncthreads();
  if (thread() == 0) *y = values[kBug ? 1 : 0];
}

__global__ void set_one_kernel(bool bug, float* y) {
  if (bug && thread() == 3) throw std::runtime_error("no such thing on a GPU");
  y[thread()] = 1;
}

// The twin that `bug` asks for.
template <class Kernel>
Kernel* choose(bool bug, Kernel* planted, Kernel* correct) {
  return bug ? planted : correct;
}

}  // namespace

void rotate(bool bug, const float* x, float* y, int n) {
  launch(choose(bug, rotate_kernel<true>, rotate_kernel<false>), 1, static_cast<unsigned>(n), 0, nullptr, x, y, n);
}
void rotate_twice(bool bug, const float* a, const float* b, float* y, int n) {
  launch(choose(bug, rotate_twice_kernel<true>, rotate_twice_kernel<false>), 1, static_cast<unsigned>(n), 0, nullptr, a,
         b, y, n);
}
void reverse_warp(bool bug, const float* x, float* y) {
  launch(choose(bug, reverse_warp_kernel<true>, reverse_warp_kernel<false>), 1, 32, 0, nullptr, x, y);
}
void iota(bool bug, float* y, int n) {
  launch(iota_kernel, static_cast<unsigned>(n) / 64 + 1, 64, 0, nullptr, y, 0, bug ? n : n - 1);
}
void iota_from_below(bool bug, float* y, int n) {
  launch(iota_kernel, static_cast<unsigned>(n) / 64 + 1, 64, 0, nullptr, y, bug ? -1 : 0, n - 1);
}
void iota_of_blocks(bool bug, float* y, int blocks) {
  launch(iota_of_blocks_kernel, static_cast<unsigned>(blocks), 64, 0, nullptr, bug, y);
}
void count_threads(bool bug, unsigned* counter, int blocks) {
  launch(choose(bug, count_threads_kernel<true>, count_threads_kernel<false>), static_cast<unsigned>(blocks), 64, 0,
         nullptr, counter);
}
void half_warp_sums(bool bug, const float* x, float* y) { launch(half_warp_sums_kernel, 1, 32, 0, nullptr, bug, x, y); }
void sum_beyond_mask(bool bug, const float* x, float* y) {
  launch(sum_beyond_mask_kernel, 1, 32, 0, nullptr, bug, x, y);
}
void sum_of_some(bool bug, float* y, int n) { launch(sum_of_some_kernel, 1, 32, 0, nullptr, bug, y, n); }
void meet(bool bug, float* y) { launch(meet_kernel, 1, 64, 0, nullptr, bug, y); }
void shuffle_without_lane_5(bool bug, float* y) { launch(shuffle_kernel, 1, 32, 0, nullptr, bug, y); }
void copy_through_shared(bool bug, const float* x, float* y, int n) {
  launch(copy_through_shared_kernel, 1, static_cast<unsigned>(n) + 1, static_cast<std::size_t>(n) * sizeof(float),
         nullptr, bug, x, y, n);
}
void read_shared(bool bug, float* y) {
  launch(choose(bug, read_shared_kernel<true>, read_shared_kernel<false>), 1, 32, 0, nullptr, y);
}
void set_one(bool bug, float* y) { launch(set_one_kernel, 1, 64, 0, nullptr, bug, y); }

}  // namespace hop::kernels::cuda
