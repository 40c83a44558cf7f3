#include "tests/simt/row_sum.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kThreads = 128;
constexpr unsigned kFullMask = 0xffffffffU;

__device__ inline float warp_sum(float value) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(kFullMask, value, step);
  return value;
}

// One block per row. Every thread adds every kThreads-th element, warps add by shuffles, the first warp adds the warps.
__global__ void __launch_bounds__(kThreads)
    row_sum_kernel(const float* __restrict__ x, float* __restrict__ y, int columns) {
  __shared__ float of_warp[kThreads / 32];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const float* const row = x + static_cast<std::size_t>(blockIdx.x) * static_cast<std::size_t>(columns);

  float sum = 0;
  for (int i = thread; i < columns; i += kThreads) sum += row[i];
  sum = warp_sum(sum);
  if (lane == 0) of_warp[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    sum = warp_sum(lane < kThreads / 32 ? of_warp[lane] : 0.0F);
    if (lane == 0) y[blockIdx.x] = sum;
  }
}

}  // namespace

void row_sum(const float* x, float* y, int rows, int columns, cudaStream_t stream) {
  launch(row_sum_kernel, static_cast<unsigned>(rows), kThreads, 0, stream, x, y, columns);
}

}  // namespace hop::kernels::cuda
