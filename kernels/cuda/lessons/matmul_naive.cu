// Rung 1: one thread computes one result, y[i][j] = sum over d of a[i][d] b[d][j].
//
// What happens in a warp: its 32 threads have neighbouring columns j and one row i. Each step they read a[i][d], one
// address for all (a broadcast), and b[d][j .. j + 31], 128 neighbouring bytes (one transaction). So each access is
// good, but there are far too many of them:
//
//   FLOPs   2 m n k
//   bytes   4 (m n k + m n k / 32) asked of the caches: every thread reads its column of b for itself
//
// That is half a FLOP per byte. A card that does 60 TFLOP/s and reads 3 TB/s needs 20. Only the L1 and L2 caches, which
// hold the values that neighbouring blocks read again, keep this kernel from being forty times too slow.
#include "kernels/cuda/language.h"
#include "kernels/cuda/lessons/matmul.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda::lessons {
namespace {

constexpr int kWidth = 32;  // a warp along a row: neighbouring threads, neighbouring addresses
constexpr int kHeight = 8;

__global__ void naive(const float* a, const float* b, float* y, int m, int n, int k) {
  const int row = static_cast<int>(blockIdx.y) * kHeight + static_cast<int>(threadIdx.y);
  const int column = static_cast<int>(blockIdx.x) * kWidth + static_cast<int>(threadIdx.x);
  if (row >= m || column >= n) return;  // the grid is rounded up to whole blocks
  float sum = 0;
  for (int d = 0; d < k; ++d) {
    sum = fmaf(a[static_cast<long long>(row) * k + d], b[static_cast<long long>(d) * n + column], sum);
  }
  y[static_cast<long long>(row) * n + column] = sum;
}

}  // namespace

void matmul_naive(const float* a, const float* b, float* y, int m, int n, int k) {
  const dim3 block(kWidth, kHeight);
  const dim3 grid(static_cast<unsigned>((n + kWidth - 1) / kWidth), static_cast<unsigned>((m + kHeight - 1) / kHeight));
  launch(naive, grid, block, 0, current_stream(), a, b, y, m, n, k);
}

}  // namespace hop::kernels::cuda::lessons
