// A matrix product in the form that our loops and oneDNN take: dense factors, a batch, a bias.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace hop::kernels::cpu {

/// One factor: matrices one after the other, each dense, row by row or (transposed) column by column.
struct Factor {
  Tensor tensor;
  bool transposed = false;
  Shape batch;  ///< 1 where the factor is repeated
};

/// y (batch.., m, n) = a b + bias (n).
struct Product {
  std::int64_t m, n, k;
  std::int64_t rows;  ///< that share one matrix b: m, or those of the whole batch; unlike m a function of the shapes
  Factor a, b;
  Shape batch;  ///< of the result
  Tensor bias;  ///< contiguous, or undefined
  Tensor y;
};

/// The product behind MatmulOperations::matmul. Factors with gaps are copied; a batch that shares b becomes one tall
/// matrix.
Product make_product(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);

/// Calls f(a, b, y) for the matrices of each step of the batch.
template <class T, class F>
void for_each_matrix(const Product& p, const F& f) {
  const auto matrix = [&](const Factor& factor, std::int64_t step) {
    std::int64_t index = 0, stride = 1;
    for (int d = p.batch.size() - 1; d >= 0; --d) {
      const std::int64_t at = step % p.batch[d];
      step /= p.batch[d];
      const int own = d - (p.batch.size() - factor.batch.size());
      if (own < 0) continue;
      if (factor.batch[own] != 1) index += at * stride;
      stride *= factor.batch[own];
    }
    return index;
  };
  const std::int64_t steps = p.batch.numel();
  for (std::int64_t i = 0; i < steps; ++i) {
    f(p.a.tensor.data<T>() + matrix(p.a, i) * p.m * p.k, p.b.tensor.data<T>() + matrix(p.b, i) * p.k * p.n,
      p.y.data<T>() + i * p.m * p.n);
  }
}

/// In our own loops: f32 and f64.
void multiply_in_loops(const Product& product);
/// f32 through oneDNN. `op` names the call in errors.
void multiply_with_onednn(const char* op, const Product& product);
/// Whether multiply_as_bf16() is to be used: rounding and packing cost one pass over each factor, which does not pay if
/// only few rows or columns share the factor. oneDNN 2.6.3 counts the elements of a factor in 32 bits.
bool is_worth_rounding(const Product& product);
/// f32 with factors rounded to bf16, sums in f32, through oneDNN.
void multiply_as_bf16(const char* op, const Product& product);

}  // namespace hop::kernels::cpu
