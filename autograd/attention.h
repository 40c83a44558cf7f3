// Differentiable attention without a matrix of all weights.
#pragma once

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop {

/// Which of its weights an attention drops: those that dropout(weights, p, address) sets to zero.
struct AttentionDropout {
  double p = 0;  ///< in 0..1; 0: none
  RandomAddress address{};
};

/// dropout(softmax(scale q k^T)) v for q (N, heads, L, E), k (N, heads, S, E), v (N, heads, S, D) -> (N, heads, L, D),
/// laid out as (N, L, heads, D); floating, equal dtypes (bf16 and f16 are computed in f32 and rounded once). Causal:
/// query i sees the keys 0..i. A query without keys gives 0. A few queries meet all keys at a time, so no (L, S) matrix
/// is stored, nor a mask of the drop: the way back makes the random numbers of the weights (N, heads, L, S) again.
/// Where the CPU multiplies bf16, and on CUDA beyond 128 columns of f32 or 64 of f64, the operations of the formula
/// compute it. Throws ShapeError, DtypeError, ConfigError.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, double scale, bool is_causal = false,
                 const AttentionDropout& dropout = {});

}  // namespace hop
