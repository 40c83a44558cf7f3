#include "nn/layers/attention.h"

#include <cmath>
#include <vector>

#include "autograd/half_internal.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "kernels/view.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"
#include "nn/init.h"

namespace hop::nn {

namespace {

/// true where query i (of L) may not see key j (of S): j > i.
Tensor later_keys(std::int64_t queries, std::int64_t keys, Device device) {
  return triu(kernels::ones({queries, keys}, DType::boolean, device), 1);
}

/// softmax(scores), and 0 where `blocked`. A row that is blocked everywhere becomes 0, not NaN: the outer fill also
/// keeps its gradients out.
Tensor weights_of(const Tensor& scores, const Tensor& blocked) {
  if (!blocked.defined()) return softmax(scores, -1);
  return masked_fill(softmax(masked_fill(scores, blocked, -HUGE_VAL), -1), blocked, 0);
}

void expect_mask(const char* op, const Tensor& mask, DType dtype) {
  if (mask.dtype() == DType::boolean || mask.dtype() == dtype) return;
  throw DtypeError("[" + std::string(op) + "] expected a mask of bool or " + std::string(name(dtype)) + ", got " +
                   mask.describe());
}

/// Both restrictions: bool masks forbid where they are true, floating ones are added.
Tensor both(const Tensor& a, const Tensor& b, DType dtype) {
  if (!a.defined()) return b;
  if (!b.defined()) return a;
  if (a.dtype() == DType::boolean && b.dtype() == DType::boolean) return kernels::logical_or(a, b);
  const auto addend = [dtype](const Tensor& mask) {
    if (mask.dtype() != DType::boolean) return mask;
    return masked_fill(kernels::zeros(mask.shape(), dtype, mask.device()), mask, -HUGE_VAL);
  };
  return addend(a) + addend(b);
}

void check_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  constexpr const char* kOp = "scaled_dot_product_attention";
  kernels::expect_any_floating(kOp, {&q, &k, &v});
  if (q.dim() < 2 || k.dim() < 2 || v.dim() < 2 || q.size(-1) != k.size(-1) || k.size(-2) != v.size(-2)) {
    throw ShapeError("[scaled_dot_product_attention] expected (.., L, E), (.., S, E) and (.., S, D), got " +
                     q.shape().to_string() + ", " + k.shape().to_string() + " and " + v.shape().to_string());
  }
  if (!options.attn_mask.defined()) return;
  if (options.is_causal)
    throw ConfigError("[scaled_dot_product_attention] expected is_causal or an attn_mask, got both");
  expect_mask(kOp, options.attn_mask, q.dtype());
}

Tensor new_weight(std::int64_t embed_dim, std::int64_t num_heads, const MultiheadAttentionOptions& options) {
  detail::check_positive("MultiheadAttention", {{"embed_dim", embed_dim}, {"num_heads", num_heads}});
  if (embed_dim % num_heads != 0) {
    throw ConfigError("[MultiheadAttention] expected an embed_dim that num_heads divides, got " +
                      std::to_string(embed_dim) + " for " + std::to_string(num_heads) + " heads");
  }
  if (!(options.dropout >= 0 && options.dropout <= 1))
    throw ConfigError("[MultiheadAttention] expected a dropout in 0..1, got " + shortest(options.dropout));
  return detail::fresh_weight({checked_mul(3, embed_dim, "MultiheadAttention"), embed_dim}, options.dtype);
}

/// Whether attention() computes it: q, k and v have the same leading dimensions, two at most.
bool is_plain(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  if (options.attn_mask.defined() || options.dropout || q.dim() > 4 || k.dim() != q.dim() || v.dim() != q.dim())
    return false;
  for (int d = 0; d + 2 < q.dim(); ++d) {
    if (k.size(d) != q.size(d) || v.size(d) != q.size(d)) return false;
  }
  return true;
}

/// x (.., rows, columns) with two leading dimensions.
Tensor with_heads(Tensor x) {
  while (x.dim() < 4) x = unsqueeze(x, 0);
  return x;
}

Tensor plain_attention(const Tensor& q, const Tensor& k, const Tensor& v, double scale,
                       const AttentionOptions& options) {
  Tensor y = attention(with_heads(q), with_heads(k), with_heads(v), scale, options.is_causal, options.drop);
  while (y.dim() > q.dim()) y = squeeze(y, 0);
  return y;
}

}  // namespace

void drop_weights(AttentionOptions& options, Dropout& layer) {
  if (!layer.is_active()) return;
  if (const std::optional<RandomAddress> address = layer.next_address())
    options.drop = {layer.p(), *address};
  else
    options.dropout = [&layer](const Tensor& weights) { return layer(weights); };
}

Tensor functional::scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                                const AttentionOptions& options) {
  check_attention(q, k, v, options);
  if (autograd::any_half(q)) {
    AttentionOptions wide = options;
    wide.attn_mask = autograd::in_f32(options.attn_mask);
    const Tensor y = scaled_dot_product_attention(autograd::in_f32(q), autograd::in_f32(k), autograd::in_f32(v), wide);
    return autograd::rounded_like(y, q);
  }
  const double scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(-1))));
  if (is_plain(q, k, v, options)) return plain_attention(q, k, v, scale, options);
  Tensor scores = matmul(q * scale, transpose(k, -2, -1)), blocked;
  if (options.is_causal) blocked = later_keys(q.size(-2), k.size(-2), q.device());
  if (const Tensor& mask = options.attn_mask; mask.defined()) {
    const bool is_choice = mask.dtype() == DType::boolean;
    blocked = is_choice ? kernels::logical_not(mask) : kernels::eq(mask, -HUGE_VAL);
    if (!is_choice) scores = scores + mask;
  }
  const Tensor weights = dropout(weights_of(scores, blocked), options.drop.p, options.drop.address);
  return matmul(options.dropout ? options.dropout(weights) : weights, v);
}

MultiheadAttention::MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads,
                                       const MultiheadAttentionOptions& o)
    : in_proj_weight(register_parameter("in_proj_weight", new_weight(embed_dim, num_heads, o))),
      in_proj_bias(o.bias ? register_parameter("in_proj_bias", detail::fresh_weight({3 * embed_dim}, o.dtype))
                          : Parameter()),
      out_proj(register_module("out_proj", Projection(embed_dim, embed_dim, {.bias = o.bias, .dtype = o.dtype}))),
      num_heads_(num_heads),
      options_(o) {}

void MultiheadAttention::check_inputs(const Tensor& query, const Tensor& key, const Tensor& value) const {
  kernels::expect_any_floating("MultiheadAttention", {&query, &key, &value});
  const std::int64_t embed_dim = in_proj_weight.size(1);
  const int batch = options_.batch_first ? 0 : 1;
  const auto fits = [embed_dim](const Tensor& x) { return x.dim() == 3 && x.size(2) == embed_dim; };
  if (fits(query) && fits(key) && key.shape() == value.shape() && query.size(batch) == key.size(batch)) return;
  throw ShapeError(
      "[MultiheadAttention] expected " +
      std::string(options_.batch_first ? "(N, L, E), (N, S, E) and (N, S, E)" : "(L, N, E), (S, N, E) and (S, N, E)") +
      " with E = " + std::to_string(embed_dim) + ", got " + query.shape().to_string() + ", " + key.shape().to_string() +
      " and " + value.shape().to_string());
}

// (L, N, E) or (N, L, E) -> (N, heads, L, E / heads)
Tensor MultiheadAttention::heads(const Tensor& x) const {
  const Tensor split = reshape(x, {x.size(0), x.size(1), num_heads_, x.size(2) / num_heads_});
  return options_.batch_first ? permute(split, {0, 2, 1, 3}) : permute(split, {1, 2, 0, 3});
}

// All restrictions of queries q (N, heads, L, ..) and `keys` keys, as scaled_dot_product_attention takes them.
// Undefined: none.
Tensor MultiheadAttention::mask(const AttentionMasks& masks, const Tensor& q, std::int64_t keys) const {
  constexpr const char* kOp = "MultiheadAttention";
  const std::int64_t n = q.size(0), queries = q.size(2);
  Tensor all;
  if (masks.is_causal) all = later_keys(queries, keys, q.device());
  if (const Tensor& mask = masks.attn_mask; mask.defined()) {
    expect_mask(kOp, mask, q.dtype());
    const Shape shape = mask.dim() == 3 ? Shape{n * num_heads_, queries, keys} : Shape{queries, keys};
    kernels::expect_shape(kOp, "an attn_mask", mask, shape);
    all = both(all, mask.dim() == 3 ? reshape(mask, {n, num_heads_, queries, keys}) : mask, q.dtype());
  }
  if (const Tensor& mask = masks.key_padding_mask; mask.defined()) {
    expect_mask(kOp, mask, q.dtype());
    kernels::expect_shape(kOp, "a key_padding_mask", mask, {n, keys});
    all = both(all, reshape(mask, {n, 1, 1, keys}), q.dtype());
  }
  return all.defined() && all.dtype() == DType::boolean ? kernels::logical_not(all) : all;
}

Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const AttentionMasks& masks) {
  check_inputs(query, key, value);
  std::vector<Tensor> projected;
  if (query.is_same(key) && key.is_same(value)) {
    projected = chunk(linear(query, in_proj_weight, in_proj_bias), 3, -1);
  } else {
    const std::vector<Tensor> weights = chunk(in_proj_weight, 3);
    const std::vector<Tensor> biases = in_proj_bias.defined() ? chunk(in_proj_bias, 3) : std::vector<Tensor>(3);
    const Tensor* const inputs[] = {&query, &key, &value};
    for (std::size_t i = 0; i < 3; ++i) projected.push_back(linear(*inputs[i], weights[i], biases[i]));
  }
  const Tensor q = heads(projected[0]), k = heads(projected[1]), v = heads(projected[2]);
  AttentionOptions options{.is_causal =
                               masks.is_causal && !masks.attn_mask.defined() && !masks.key_padding_mask.defined()};
  if (!options.is_causal) options.attn_mask = mask(masks, q, k.size(2));
  if (options_.dropout > 0 && is_training()) {
    options.drop = {options_.dropout, next_random()};
  }
  const Tensor y = functional::scaled_dot_product_attention(q, k, v, options);
  return out_proj(reshape(options_.batch_first ? permute(y, {0, 2, 1, 3}) : permute(y, {2, 0, 1, 3}), query.shape()));
}

void MultiheadAttention::reset_parameters(const ParameterKeys& keys) {
  init::xavier_uniform_(in_proj_weight, keys["in_proj_weight"]);
  if (in_proj_bias.defined()) init::constant_(in_proj_bias, 0);
}

void MultiheadAttention::Projection::reset_parameters(const ParameterKeys& keys) {
  Linear::reset_parameters(keys);
  if (bias.defined()) init::constant_(bias, 0);
}

}  // namespace hop::nn
