// Rung 2: a block computes a tile of 32 x 32 results, and its threads share the values that they read.
//
// New against rung 1: shared memory. It is a few hundred kilobytes on each multiprocessor, visible to all threads of a
// block, and about as fast as the L1 cache. The block walks along k in strips of 32: together its threads copy a tile
// of a and a tile of b into shared memory, each value once, wait for each other, and multiply from there. A value that
// rung 1 read from global memory 32 times is read once.
//
//   FLOPs   2 m n k
//   bytes   4 (m n k / 32 + m n k / 32) of global memory; 4 (m n k + m n k / 32) of shared memory
//
// 8 FLOPs per byte of global memory instead of 1/2. But every multiply-add still fetches two values from shared memory
// (one of them a broadcast to the warp), and shared memory serves one such fetch per cycle where the multiply-add units
// could take four: that is the next rung.
//
// The two barriers are the whole art of shared memory. The first: no thread multiplies before all have copied. The
// second: no thread copies the next strip before all have multiplied. Remove one and run the test: the executor of
// kernels/simt gives different results under different schedules, and under ThreadSanitizer it names both threads and
// lines.
#include "kernels/cuda/language.h"
#include "kernels/cuda/lessons/matmul.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda::lessons {
namespace {

constexpr int kTile = 32;

__global__ void __launch_bounds__(kTile* kTile)
    shared_tiles(const float* a, const float* b, float* y, int m, int n, int k) {
  __shared__ float a_tile[kTile][kTile];
  __shared__ float b_tile[kTile][kTile];
  const int x = static_cast<int>(threadIdx.x), z = static_cast<int>(threadIdx.y);
  const int row = static_cast<int>(blockIdx.y) * kTile + z;
  const int column = static_cast<int>(blockIdx.x) * kTile + x;

  float sum = 0;
  for (int start = 0; start < k; start += kTile) {
    // Values outside the matrices count as 0. No thread may return early, because all must reach the barriers.
    a_tile[z][x] = row < m && start + x < k ? a[static_cast<long long>(row) * k + start + x] : 0.0F;
    b_tile[z][x] = start + z < k && column < n ? b[static_cast<long long>(start + z) * n + column] : 0.0F;
    __syncthreads();
    for (int d = 0; d < kTile; ++d) sum = fmaf(a_tile[z][d], b_tile[d][x], sum);
    __syncthreads();
  }
  if (row < m && column < n) y[static_cast<long long>(row) * n + column] = sum;
}

}  // namespace

void matmul_shared_tiles(const float* a, const float* b, float* y, int m, int n, int k) {
  const auto tiles = [](int size) { return static_cast<unsigned>((size + kTile - 1) / kTile); };
  launch(shared_tiles, dim3(tiles(n), tiles(m)), dim3(kTile, kTile), 0, current_stream(), a, b, y, m, n, k);
}

}  // namespace hop::kernels::cuda::lessons
