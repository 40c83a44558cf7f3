// Pooling by adjacent windows of 2 x 2 that all lie in the image, in packets. For other windows, for images whose rows
// are not whole packets of 16 bytes, and for operands that are not aligned to 16 bytes, each function does nothing and
// returns false.
#pragma once

#include "kernels/shapes_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

[[nodiscard]] bool max_pool_pairs(const PoolShape& shape, const Tensor& x, const Tensor& y, const Tensor& indices);
[[nodiscard]] bool average_pool_pairs(const PoolShape& shape, const Tensor& x, const Tensor& y);
[[nodiscard]] bool max_pool_pairs_grad(const PoolShape& shape, const Tensor& g, const Tensor& indices,
                                       const Tensor& dx);

}  // namespace hop::kernels::cuda
