// A ladder of four matrix products, each the one before with one idea more. All compute y = a b for row-major f32
// matrices a (m, k), b (k, n), y (m, n) on the current stream; m, n, k > 0 and below 2^31.
//
//   naive           one thread per result                      bound by global memory traffic
//   shared_tiles    a block shares what it reads               bound by shared memory traffic
//   register_tiles  a thread shares what it reads              bound by the multiply-add units
//   tensor_cores    a warp multiplies matrices, bf16 factors   other units, sixteen times the rate
//
// Read them in this order. They are tested like every kernel and used by nothing: kernels/cuda/matmul.cu is the one
// that works for a living.
#pragma once

namespace hop::kernels::cuda::lessons {

void matmul_naive(const float* a, const float* b, float* y, int m, int n, int k);
void matmul_shared_tiles(const float* a, const float* b, float* y, int m, int n, int k);
void matmul_register_tiles(const float* a, const float* b, float* y, int m, int n, int k);
/// Factors are rounded to bf16 (8 bits of mantissa), sums are f32: relative errors near 4e-3 of the factors.
void matmul_tensor_cores(const float* a, const float* b, float* y, int m, int n, int k);

}  // namespace hop::kernels::cuda::lessons
