// What matmul.cpp and matmul.cu share.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace hop::kernels::cuda {

/// As Operations::matmul, by our own kernel: where there is no cuBLASLt, where that knows no algorithm, and where
/// math().own_kernels asks for it. Every element is one chain of fused multiply-adds in the order of k.
void matmul_in_tiles(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);

/// One factor of a product as cuBLASLt takes it: every matrix row by row or, transposed, column by column, each row (or
/// column) `ld` elements behind the one before.
struct Factor {
  Tensor tensor;
  bool transposed = false;
  std::int64_t ld = 0;
};

/// x as it is where its matrices lie so and start on blas::kAlignment, else a copy. How the copy lies is a function of
/// x's shape and strides, not of its address: the same product of other bytes gets the same algorithm.
Factor make_factor(const Tensor& x);

}  // namespace hop::kernels::cuda
