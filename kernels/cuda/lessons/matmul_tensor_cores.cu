// Rung 4: the multiply-adds themselves go to the tensor cores. A block computes 64 x 64 results with 4 warps, a warp
// 32 x 32 of them, and the unit of work is no longer a number but a matrix.
//
// New against rung 3: mma.sync. One instruction, given by all 32 threads of a warp together, does C (16, 8) += A (16,
// 16) B (16, 8): 4,096 FLOPs, where a fused multiply-add of a warp does 64. The factors are bf16 (8 bits of mantissa,
// the range of f32), the sums stay f32. The hardware fixes the elements of A, B and C that each thread holds.
// kernels/cuda/lessons/mma.h lists them, and the loop below reads exactly these.
//
//   FLOPs   2 m n k, on units with about sixteen times the rate of the f32 units
//   bytes   4 (2 m n k / 64) of global memory: 16 FLOPs per byte, far too few for units this fast
//
// So this rung is bound by memory again, and the ladder goes on outside this book: larger tiles, 16-byte copies that
// bypass the registers (cp.async), several strips in flight, and on sm_90 warp groups that read shared memory
// themselves (wgmma) with tiles brought by the copy engine (TMA). cuBLASLt does all of this.
//
// Rounding happens once, on the way into shared memory; two neighbours along k make one 32-bit word, the form that the
// instruction takes. Rows of 20 words, not 16: the 8 groups of a warp start 20 banks apart, so that its 32 threads read
// 32 different banks.
#include "kernels/cuda/language.h"
#include "kernels/cuda/lessons/matmul.h"
#include "kernels/cuda/lessons/mma.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda::lessons {
namespace {

constexpr int kTile = 64;               // results of a block, each way
constexpr int kDepth = 32;              // depth of a strip
constexpr int kPairs = kDepth / 2;      // words of a row of a strip
constexpr int kRow = kPairs + 4;        // with padding
constexpr int kWarpTile = 32;           // results of a warp, each way
constexpr int kDown = kWarpTile / 16;   // instructions below each other
constexpr int kAcross = kWarpTile / 8;  // instructions beside each other
constexpr int kThreads = 128;

/// A strip's rows (of a) or columns (of b), as pairs along k; `at(line, d)` reads one value, 0 outside.
template <class At>
__device__ void load_strip(unsigned (&strip)[kTile][kRow], bool pairs_first, const At& at) {
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kPairs; i += kThreads) {
    // Neighbouring threads read neighbouring addresses: along k in a, along n in b.
    const int line = pairs_first ? i / kPairs : i % kTile;
    const int pair = pairs_first ? i % kPairs : i / kTile;
    strip[line][pair] = pack_bf16(at(line, 2 * pair), at(line, 2 * pair + 1));
  }
}

__global__ void __launch_bounds__(kThreads)
    tensor_cores(const float* a, const float* b, float* y, int m, int n, int k) {
  __shared__ unsigned a_strip[kTile][kRow];  // [row][pair along k]
  __shared__ unsigned b_strip[kTile][kRow];  // [column][pair along k]
  const int first_row = static_cast<int>(blockIdx.y) * kTile, first_column = static_cast<int>(blockIdx.x) * kTile;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int group = lane / 4, pair = lane % 4;  // see kernels/cuda/lessons/mma.h
  const int warp_row = warp / 2 * kWarpTile, warp_column = warp % 2 * kWarpTile;

  float sum[kDown][kAcross][4] = {};
  for (int start = 0; start < k; start += kDepth) {
    load_strip(a_strip, true, [&](int row, int d) {
      const bool inside = first_row + row < m && start + d < k;
      return inside ? a[static_cast<long long>(first_row + row) * k + start + d] : 0.0F;
    });
    load_strip(b_strip, false, [&](int column, int d) {
      const bool inside = start + d < k && first_column + column < n;
      return inside ? b[static_cast<long long>(start + d) * n + first_column + column] : 0.0F;
    });
    __syncthreads();
#pragma unroll
    for (int step = 0; step < kPairs; step += 8) {  // 16 values of k per instruction
      unsigned u[kDown][4], v[kAcross][2];
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
        const int row = warp_row + i * 16 + group;
        u[i][0] = a_strip[row][step + pair];
        u[i][1] = a_strip[row + 8][step + pair];
        u[i][2] = a_strip[row][step + pair + 4];
        u[i][3] = a_strip[row + 8][step + pair + 4];
      }
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
        const int column = warp_column + j * 8 + group;
        v[j][0] = b_strip[column][step + pair];
        v[j][1] = b_strip[column][step + pair + 4];
      }
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
#pragma unroll
        for (int j = 0; j < kAcross; ++j) mma_m16n8k16(sum[i][j], u[i], v[j]);
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < kDown; ++i) {
#pragma unroll
    for (int j = 0; j < kAcross; ++j) {
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        const int row = first_row + warp_row + i * 16 + group + c / 2 * 8;
        const int column = first_column + warp_column + j * 8 + 2 * pair + c % 2;
        if (row < m && column < n) y[static_cast<long long>(row) * n + column] = sum[i][j][c];
      }
    }
  }
}

}  // namespace

void matmul_tensor_cores(const float* a, const float* b, float* y, int m, int n, int k) {
  const auto tiles = [](int size) { return static_cast<unsigned>((size + kTile - 1) / kTile); };
  launch(tensor_cores, dim3(tiles(n), tiles(m)), dim3(kThreads), 0, current_stream(), a, b, y, m, n, k);
}

}  // namespace hop::kernels::cuda::lessons
