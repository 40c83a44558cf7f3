// Attention (Vaswani et al., "Attention is all you need", 2017).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

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
  /// k and v have fewer heads, the third dimension from the end, than q; each serves q.size(-3) / k.size(-3) heads in a
  /// row. Copies k and v.
  bool enable_gqa = false;
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
/// torch.nn.functional.scaled_dot_product_attention. Throws ShapeError, also with enable_gqa for heads of k or v that
/// do not divide those of q; DtypeError, ConfigError.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& options = {});

}  // namespace functional

struct MultiheadAttentionOptions {
  double dropout = 0;  ///< of the attention's weights, while training
  bool bias = true;
  bool add_bias_kv = false;            ///< a learned key and value behind all others
  bool add_zero_attn = false;          ///< a key and a value of zeros behind all others
  std::optional<std::int64_t> kdim{};  ///< features of a key; by default E
  std::optional<std::int64_t> vdim{};  ///< features of a value; by default E
  bool batch_first = false;            ///< (N, L, E) instead of (L, N, E)
  DType dtype = DType::f32;
};

/// Restrictions of an attention between L queries and S keys. As in torch.nn.MultiheadAttention, true in a bool mask
/// forbids (in scaled_dot_product_attention it allows), and a floating mask is added to the scores.
struct AttentionMasks {
  Tensor attn_mask{};         ///< (L, S), or (N num_heads, L, S)
  Tensor key_padding_mask{};  ///< (N, S); without a batch dimension (S)
  /// Query i sees the keys 0..i. Adds to the other masks; PyTorch takes it as a hint about attn_mask instead.
  bool is_causal = false;
};

/// An output and the weights that made it.
struct AttentionResult {
  Tensor output{};
  Tensor weights{};
};

/// Attention in num_heads parallel heads: query (L, N, E), key (S, N, kdim) and value (S, N, vdim) -> (L, N, E); or all
/// without N. torch.nn.MultiheadAttention: a call has need_weights=False, and with_weights() need_weights=True. A query
/// that may see no key gives 0.
class MultiheadAttention : public Module {
 public:
  /// Throws ConfigError unless num_heads divides embed_dim, for a dropout outside 0..1, and for a kdim or vdim below 1.
  MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads, const MultiheadAttentionOptions& options = {});

  using Module::operator();
  /// Throws ShapeError, DtypeError. Hooks see the query and the output.
  Tensor operator()(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks = {}) {
    return with_hooks(query, [&](const Tensor& input) { return forward(input, key, value, masks); });
  }
  /// Self-attention: one product makes query, key and value.
  Tensor forward(const Tensor& x) override { return forward(x, x, x, {}); }
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks) {
    return attend(query, key, value, masks, false).output;
  }
  /// With the weights of all S keys and those that the options add, after dropout: their mean over the heads (N, L, S),
  /// or (N, num_heads, L, S) without average_attn_weights. Stores all weights. Without hooks.
  AttentionResult with_weights(const Tensor& query, const Tensor& key, const Tensor& value,
                               const AttentionMasks& masks = {}, bool average_attn_weights = true);
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "MultiheadAttention"; }

  /// A Linear whose bias starts at 0.
  class Projection : public Linear {
   public:
    using Linear::Linear;
    void reset_parameters(const ParameterKeys& keys) override;
  };

 private:
  MultiheadAttentionOptions options_;  // the parameters are made of them
  std::int64_t embed_dim_, num_heads_;

 public:
  Parameter in_proj_weight;  ///< (3 E, E): the rows of query, key and value; undefined if kdim or vdim is not E
  Parameter q_proj_weight, k_proj_weight, v_proj_weight;  ///< (E, E), (E, kdim), (E, vdim) in this case
  Parameter in_proj_bias;                                 ///< (3 E), or undefined
  Parameter bias_k, bias_v;                               ///< (1, 1, E), undefined without add_bias_kv
  Projection out_proj;

 private:
  MultiheadAttention(const Shape& in_proj, std::int64_t num_heads, const MultiheadAttentionOptions& options);
  Parameter parameter_if(bool is_there, const char* name, const Shape& shape);
  AttentionResult attend(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks,
                         bool needs_weights);
  AttentionResult attend_batch(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks,
                               bool needs_weights);
  void check_inputs(const Tensor& query, const Tensor& key, const Tensor& value) const;
  std::vector<Tensor> project(const Tensor& query, const Tensor& key, const Tensor& value) const;
  Tensor heads(const Tensor& x) const;
  Tensor with_added(const Tensor& x, const Tensor& learned) const;
  Tensor mask(const AttentionMasks& masks, const Tensor& q, std::int64_t keys) const;
  std::int64_t added_keys() const { return (options_.add_bias_kv ? 1 : 0) + (options_.add_zero_attn ? 1 : 0); }
};

}  // namespace hop::nn
