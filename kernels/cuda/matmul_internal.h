// What matmul.cpp and matmul.cu share.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/cuda/blas.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

/// As Operations::matmul, by our own kernel: where there is no cuBLASLt, where that knows no algorithm, and where
/// math().own_kernels asks for it. Every element is one chain of fused multiply-adds in the order of k.
void matmul_in_tiles(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);

/// blas::multiply, or what stands for it where there is no card.
using Multiply = std::function<bool(const blas::Product& product, const blas::Operands& operands)>;

/// As Operations::matmul, by `multiply`. False, and y is not what it should be, where that says so. In bf16, the
/// factors of a large product are rounded to arrays of bf16 first (pays_to_round): the library rounds f32 factors strip
/// by strip on their way to the tensor cores, which keeps these waiting half of the time.
[[nodiscard]] bool multiply_with(const Multiply& multiply, const Tensor& a, const Tensor& b, const Tensor& bias,
                                 const Tensor& y);
/// Whether two passes over `elements` of the factors cost less than they save in `products` multiply-adds: a function
/// of sizes alone.
bool pays_to_round(std::int64_t products, std::int64_t elements);

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
