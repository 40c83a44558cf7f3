// Pooling by windows of 2 x 2 side by side, in packets. Each gives false, and does nothing, for other windows, for
// images whose rows are no whole packets of 16 bytes, and for operands that do not lie on 16 bytes.
#pragma once

#include "kernels/shapes_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

[[nodiscard]] bool max_pool_pairs(const PoolShape& shape, const Tensor& x, const Tensor& y, const Tensor& indices);
[[nodiscard]] bool average_pool_pairs(const PoolShape& shape, const Tensor& x, const Tensor& y);
[[nodiscard]] bool max_pool_pairs_grad(const PoolShape& shape, const Tensor& g, const Tensor& indices,
                                       const Tensor& dx);

}  // namespace hop::kernels::cuda
