// A ladder of four matrix products. Each rung adds one idea to the rung before. All compute y = a b for row-major f32
// matrices a (m, k), b (k, n), y (m, n) on the current stream; m, n, k > 0, n and k below 2^30. Rows of blocks lie
// along grid.y, which takes 65,535 of them: m is at most 524,280 for the first rung with its 8 rows per block,
// 2,097,120 for the second (32), 8,388,480 for the third (128) and 4,194,240 for the last (64); launch() throws
// CudaError beyond.
//
//   naive           one thread per result                      bound by global memory traffic
//   shared_tiles    a block shares what it reads               bound by shared memory traffic
//   register_tiles  a thread shares what it reads              bound by the multiply-add units
//   tensor_cores    a warp multiplies matrices, bf16 factors   other units, sixteen times the rate
//
// Read them in this order. They are tested like every kernel, but not used: the library's own product is
// kernels/cuda/matmul.cu.
#pragma once

namespace hop::kernels::cuda::lessons {

void matmul_naive(const float* a, const float* b, float* y, int m, int n, int k);
void matmul_shared_tiles(const float* a, const float* b, float* y, int m, int n, int k);
void matmul_register_tiles(const float* a, const float* b, float* y, int m, int n, int k);
/// Factors are rounded to bf16 (8 bits of mantissa), sums are f32: relative errors near 4e-3 of the factors.
void matmul_tensor_cores(const float* a, const float* b, float* y, int m, int n, int k);

}  // namespace hop::kernels::cuda::lessons
