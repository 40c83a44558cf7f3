// Rung 3: a block computes 128 x 128 results with 256 threads, a thread 8 x 8 of them.
//
// New against rung 2: registers share, too. Per step of k a thread fetches 8 values of a and 8 of b from shared memory
// and makes 64 multiply-adds, 4 per value instead of 1/2: now the multiply-add units are the limit. The larger block
// also reads each value of global memory for 128 results instead of 32.
//
//   FLOPs   2 m n k
//   bytes   4 (2 m n k / 128) of global memory: 32 FLOPs per byte; 4 (2 m n k / 8) of shared memory
//
// The 64 sums live in registers, 64 of the at most 255 of a thread. That works only while every index of `sum`, `u` and
// `v` is known when the kernel is compiled, so all loops over them are unrolled; an index known only at run time would
// put the array into (slow) local memory, and tests/ptxas would complain about a stack frame.
//
// Two details that cost more than they look. A thread's results lie 16 apart, not side by side, so that the threads of
// a warp read neighbouring words of shared memory: 32 banks serve 32 different words at once, but one bank serves one
// word at a time. And a_tile has rows of 132 words, not 128: a warp copies 4 rows of 8 values, and 132 is 4 more than a
// multiple of 32, so its 32 stores go to 32 banks. With 128, all 8 values of a row would fall into one bank.
#include "kernels/cuda/language.h"
#include "kernels/cuda/lessons/matmul.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda::lessons {
namespace {

constexpr int kTile = 128;  // results of a block, each way
constexpr int kDepth = 8;   // of a strip
constexpr int kOwn = 8;     // results of a thread, each way
constexpr int kSide = kTile / kOwn;
constexpr int kThreads = kSide * kSide;

__global__ void __launch_bounds__(kThreads)
    register_tiles(const float* a, const float* b, float* y, int m, int n, int k) {
  __shared__ float a_tile[kDepth][kTile + 4];
  __shared__ float b_tile[kDepth][kTile];
  const int thread = static_cast<int>(threadIdx.x);
  const int first_row = static_cast<int>(blockIdx.y) * kTile, first_column = static_cast<int>(blockIdx.x) * kTile;
  const int z = thread / kSide, x = thread % kSide;

  float sum[kOwn][kOwn] = {};
  for (int start = 0; start < k; start += kDepth) {
    for (int i = thread; i < kTile * kDepth; i += kThreads) {
      const int row = i / kDepth, d = i % kDepth;  // neighbouring threads along k, where a is dense
      const bool inside = first_row + row < m && start + d < k;
      a_tile[d][row] = inside ? a[static_cast<long long>(first_row + row) * k + start + d] : 0.0F;
    }
    for (int i = thread; i < kTile * kDepth; i += kThreads) {
      const int d = i / kTile, column = i % kTile;  // along n, where b is dense
      const bool inside = start + d < k && first_column + column < n;
      b_tile[d][column] = inside ? b[static_cast<long long>(start + d) * n + first_column + column] : 0.0F;
    }
    __syncthreads();
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      float u[kOwn], v[kOwn];
#pragma unroll
      for (int i = 0; i < kOwn; ++i) u[i] = a_tile[d][z + i * kSide];
#pragma unroll
      for (int j = 0; j < kOwn; ++j) v[j] = b_tile[d][x + j * kSide];
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {
#pragma unroll
        for (int j = 0; j < kOwn; ++j) sum[i][j] = fmaf(u[i], v[j], sum[i][j]);
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
#pragma unroll
    for (int j = 0; j < kOwn; ++j) {
      const int row = first_row + z + i * kSide, column = first_column + x + j * kSide;
      if (row < m && column < n) y[static_cast<long long>(row) * n + column] = sum[i][j];
    }
  }
}

}  // namespace

void matmul_register_tiles(const float* a, const float* b, float* y, int m, int n, int k) {
  const auto tiles = [](int size) { return static_cast<unsigned>((size + kTile - 1) / kTile); };
  launch(register_tiles, dim3(tiles(n), tiles(m)), dim3(kThreads), 0, current_stream(), a, b, y, m, n, k);
}

}  // namespace hop::kernels::cuda::lessons
