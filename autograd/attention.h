// Differentiable attention without a matrix of all weights.
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// softmax(scale q k^T) v for q (N, heads, L, E), k (N, heads, S, E), v (N, heads, S, D) -> (N, heads, L, D), laid out
/// as (N, L, heads, D); f32 or f64, equal dtypes. Causal: query i sees the keys 0..i. A query without keys gives 0. On
/// the CPU a block of queries meets all keys at a time, so no (L, S) matrix is stored; elsewhere, and where products
/// have bf16 factors, it is made of the operations of the formula. Throws ShapeError, DtypeError.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, double scale, bool is_causal = false);

}  // namespace hop
