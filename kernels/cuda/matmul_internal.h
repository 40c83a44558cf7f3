// Declarations shared by matmul.cpp and matmul.cu.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/cuda/blas.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

/// Operations::matmul by our kernel for every product: with math().own_kernels, and without them where
/// takes_few_rows() says no and cuBLASLt is missing or knows no algorithm. Every element is one chain of fused
/// multiply-adds in the order of k.
void matmul_in_tiles(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);

/// Rows that matmul_of_few_rows() takes.
inline constexpr int kMostFewRows = 32;
/// Whether a product is one for matmul_of_few_rows(): strict f32 matrices of at most kMostFewRows rows that lie along
/// k, of at most 4,096 terms in a sum and 2^24 multiply-adds. A function of dtype, precision(), shapes and strides
/// alone.
bool takes_few_rows(const Tensor& a, const Tensor& b);
/// Operations::matmul of (m, k) (k, n) in one launch, for which cuBLASLt takes two. An element's bits depend on its own
/// row and column alone, but not in the order of matmul_in_tiles(). `bias` is dense, or undefined.
void matmul_of_few_rows(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);

/// blas::multiply, or its stand-in in tests without a card.
using Multiply = std::function<bool(const blas::Product& product, const blas::Operands& operands)>;

/// Operations::matmul by `multiply`. If `multiply` returns false, returns false and y is invalid. A bias that
/// `multiply` knows no algorithm for is added in a pass of its own. In bf16 and f16, the factors of a large product
/// are first rounded to arrays of 16 bits (pays_to_round). The library rounds f32 factors strip by strip on their way
/// to the tensor cores, which then wait half of the time.
[[nodiscard]] bool multiply_with(const Multiply& multiply, const Tensor& a, const Tensor& b, const Tensor& bias,
                                 const Tensor& y);
/// Whether two passes over `elements` of the factors cost less than they save in `products` multiply-adds. A function
/// of sizes alone.
bool pays_to_round(std::int64_t products, std::int64_t elements);

/// One factor of a product as cuBLASLt takes it: every matrix row by row or, transposed, column by column, each row (or
/// column) `ld` elements behind the one before.
struct Factor {
  Tensor tensor;
  bool transposed = false;
  std::int64_t ld = 0;
};

/// x itself if its matrices have this form and are aligned to blas::kAlignment, otherwise a copy. The copy's layout is
/// a function of x's shape and strides, not of its address, so the same product at other addresses gets the same
/// algorithm.
Factor make_factor(const Tensor& x);

}  // namespace hop::kernels::cuda
