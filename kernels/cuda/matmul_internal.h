// Matrix products by our own kernel: where there is no cuBLASLt, and where math().own_kernels asks for it.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels::cuda {

/// As Operations::matmul. Every element is one chain of fused multiply-adds in the order of k.
void matmul_in_tiles(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);

}  // namespace hop::kernels::cuda
