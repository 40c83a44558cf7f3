// Attention (Vaswani et al., "Attention is all you need", 2017).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "autograd/attention.h"
#include "nn/layers/dropout.h"
#include "nn/layers/linear.h"
#include "nn/module.h"

namespace hop::nn {

struct AttentionOptions {
  /// Broadcasts to (.., L, S). bool: true lets the pair take part. Of q's dtype: is added to the scores.
  Tensor attn_mask{};
  /// Query i sees the keys 0..i. Not together with attn_mask (ConfigError).
  bool is_causal = false;
  /// By default 1 / sqrt(E).
  std::optional<double> scale{};
  /// Drops weights. (PyTorch: dropout_p, always on.) See drop_weights().
  AttentionDropout drop{};
  /// Is applied to the weights, after `drop`. It costs the memory of all weights, even if it changes nothing.
  std::function<Tensor(const Tensor&)> dropout{};
};

/// Lets `layer` drop the weights of the attention with these options, if it drops now. Draws the layer's next random
/// address, so call it right before the attention. If the layer has hooks or was replaced, it will be called with the
/// weights, and outlives `options`. The forward() of a class that is derived from Dropout is not asked.
void drop_weights(AttentionOptions& options, Dropout& layer);

namespace functional {

/// softmax(scale q k^T + mask) v for q (.., L, E), k (.., S, E), v (.., S, D) -> (.., L, D), where leading dimensions
/// broadcast; floating, equal dtypes (bf16 and f16 are computed in f32 and rounded once). A query that may see no key
/// gives 0. Differentiable. Without an attn_mask, without a `dropout` function and with equal leading dimensions it is
/// attention() (autograd/attention.h), which stores no weights; otherwise it stores all L S.
/// torch.nn.functional.scaled_dot_product_attention. Throws ShapeError, DtypeError, ConfigError.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& options = {});

}  // namespace functional

struct MultiheadAttentionOptions {
  double dropout = 0;  ///< of the attention's weights, while training
  bool bias = true;
  bool batch_first = false;  ///< (N, L, E) instead of (L, N, E)
  DType dtype = DType::f32;
};

/// Restrictions of an attention between L queries and S keys. As in torch.nn.MultiheadAttention, true in a bool mask
/// forbids (in scaled_dot_product_attention it allows), and a floating mask is added to the scores.
struct AttentionMasks {
  Tensor attn_mask{};         ///< (L, S), or (N num_heads, L, S)
  Tensor key_padding_mask{};  ///< (N, S)
  /// Query i sees the keys 0..i. Adds to the other masks; PyTorch takes it as a hint about attn_mask instead.
  bool is_causal = false;
};

/// Attention in num_heads parallel heads: query (L, N, E), key and value (S, N, E) -> (L, N, E).
/// torch.nn.MultiheadAttention with need_weights=False: the weights are not returned. Not there: kdim, vdim,
/// add_bias_kv, add_zero_attn, inputs without a batch dimension.
class MultiheadAttention : public Module {
 public:
  /// Throws ConfigError unless num_heads divides embed_dim, and for a dropout outside 0..1.
  MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads, const MultiheadAttentionOptions& options = {});

  using Module::operator();
  /// Throws ShapeError, DtypeError. Hooks see the query and the output.
  Tensor operator()(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks = {}) {
    return with_hooks(query, [&](const Tensor& input) { return forward(input, key, value, masks); });
  }
  /// Self-attention: one product makes query, key and value.
  Tensor forward(const Tensor& x) override { return forward(x, x, x, {}); }
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks);
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "MultiheadAttention"; }

  /// A Linear whose bias starts at 0.
  class Projection : public Linear {
   public:
    using Linear::Linear;
    void reset_parameters(const ParameterKeys& keys) override;
  };

  Parameter in_proj_weight;  ///< (3 E, E): the rows of query, key and value
  Parameter in_proj_bias;    ///< (3 E), or undefined
  Projection out_proj;

 private:
  void check_inputs(const Tensor& query, const Tensor& key, const Tensor& value) const;
  Tensor heads(const Tensor& x) const;
  Tensor mask(const AttentionMasks& masks, const Tensor& q, std::int64_t keys) const;

  std::int64_t num_heads_;
  MultiheadAttentionOptions options_;
};

}  // namespace hop::nn
