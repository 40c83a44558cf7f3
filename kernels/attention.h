// Attention (Vaswani et al., 2017) without a matrix of all weights: a block of queries at a time meets all keys, so a
// few rows of scores are in memory at once. The way back computes them again (Dao et al., "FlashAttention", 2022).
#pragma once

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop::kernels {

/// y = dropout(softmax(scale q k^T)) v for q (N, heads, L, E), k (N, heads, S, E), v (N, heads, S, D).
struct AttentionInputs {
  Tensor q{}, k{}, v{};
  double scale = 1;
  bool is_causal = false;  ///< query i sees the keys 0..i
  /// With dropout > 0 the weights (N, heads, L, S) are dropped with this probability at this address: the same ones as
  /// those of kernels::dropout(weights, dropout, address). In 0..1.
  double dropout = 0;
  RandomAddress address{};
};

struct AttentionResult {
  Tensor y{};        ///< (N, heads, L, D), a view of (N, L, heads, D)
  Tensor log_sum{};  ///< (N, heads, L): log(sum(exp(scores))) of each query, of all weights
};

struct AttentionGrads {
  Tensor q{}, k{}, v{};  ///< in the operands' shapes, each a view of (N, rows, heads, columns)
};

/// Throws ShapeError, DtypeError, DeviceError unless the operands fit, ConfigError for a dropout outside 0..1.
void check_attention(const AttentionInputs& in);
/// Whether attention() takes operands of these sizes: on the CPU all, on CUDA up to 128 columns of f32 and 64 of f64.
/// Throws as check_attention().
bool has_attention(const AttentionInputs& in);
/// f32 or f64, equal dtypes. A query without keys gives 0. The rows of an operand may lie anywhere; if its columns do
/// not lie side by side, it is copied. Throws as check_attention().
AttentionResult attention(const AttentionInputs& in);
/// g is the gradient of result.y. Drops the same weights again.
AttentionGrads attention_grad(const Tensor& g, const AttentionInputs& in, const AttentionResult& result);

}  // namespace hop::kernels
