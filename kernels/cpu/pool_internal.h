// Pooling on the CPU: what kernels/pool.cpp asks for. Images are contiguous (N, C, H, W), floating, of one dtype, and
// have elements.
#pragma once

#include "kernels/cpu/pool_loops_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels::cpu {

void max_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y, const Tensor& indices);
void avg_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y);
void avg_pool2d_grad(const PoolShape& shape, const Tensor& g, const Tensor& dx);

// By index within each of the planes; false for an index outside its plane.
/// dx = 0, then dx[indices] += g.
[[nodiscard]] bool scatter_planes(const Tensor& g, const Tensor& indices, const Tensor& dx);
/// y = x[indices]
[[nodiscard]] bool gather_planes(const Tensor& x, const Tensor& indices, const Tensor& y);

}  // namespace hop::kernels::cpu
