// Matrix products on the CPU: what kernels/matmul.cpp asks for.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels::cpu {

/// y (.., m, n) = a (.., m, k) b (.., k, n) + bias (n). Leading dimensions broadcast; y is contiguous, has elements,
/// and may leave out dimensions of size 1. bias may be undefined.
void matmul(const char* op, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);

}  // namespace hop::kernels::cpu
