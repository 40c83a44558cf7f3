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
  const auto serves = [&q](const Tensor& x) { return x.dim() >= 3 && x.size(-3) > 0 && q.size(-3) % x.size(-3) == 0; };
  if (options.enable_gqa && !(q.dim() >= 3 && serves(k) && serves(v))) {
    throw ShapeError(
        "[scaled_dot_product_attention] expected (.., heads, L, E) with heads of k and v that divide those of q, got " +
        q.shape().to_string() + ", " + k.shape().to_string() + " and " + v.shape().to_string());
  }
  if (!options.attn_mask.defined()) return;
  if (options.is_causal)
    throw ConfigError("[scaled_dot_product_attention] expected is_causal or an attn_mask, got both");
  expect_mask(kOp, options.attn_mask, q.dtype());
}

constexpr const char* kLayer = "MultiheadAttention";

/// The shape of the weight that makes query, key and value.
Shape in_proj_shape(std::int64_t embed_dim, std::int64_t num_heads, const MultiheadAttentionOptions& options) {
  detail::check_positive(kLayer, {{"embed_dim", embed_dim},
                                  {"num_heads", num_heads},
                                  {"kdim", options.kdim.value_or(1)},
                                  {"vdim", options.vdim.value_or(1)}});
  if (embed_dim % num_heads != 0) {
    throw ConfigError("[MultiheadAttention] expected an embed_dim that num_heads divides, got " +
                      std::to_string(embed_dim) + " for " + std::to_string(num_heads) + " heads");
  }
  if (!(options.dropout >= 0 && options.dropout <= 1))
    throw ConfigError("[MultiheadAttention] expected a dropout in 0..1, got " + shortest(options.dropout));
  return {checked_mul(3, embed_dim, kLayer), embed_dim};
}

/// Whether one weight makes query, key and value.
bool has_one_width(std::int64_t embed_dim, const MultiheadAttentionOptions& o) {
  return o.kdim.value_or(embed_dim) == embed_dim && o.vdim.value_or(embed_dim) == embed_dim;
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
  if (options.enable_gqa) {
    AttentionOptions equal = options;
    equal.enable_gqa = false;
    const auto for_each_head = [&q](const Tensor& x) {
      return x.size(-3) == q.size(-3) ? x : repeat_interleave(x, q.size(-3) / x.size(-3), -3);
    };
    return scaled_dot_product_attention(q, for_each_head(k), for_each_head(v), equal);
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
    : MultiheadAttention(in_proj_shape(embed_dim, num_heads, o), num_heads, o) {}

MultiheadAttention::MultiheadAttention(const Shape& in_proj, std::int64_t num_heads, const MultiheadAttentionOptions& o)
    : options_(o),
      embed_dim_(in_proj[1]),
      num_heads_(num_heads),
      in_proj_weight(parameter_if(has_one_width(embed_dim_, o), "in_proj_weight", in_proj)),
      q_proj_weight(parameter_if(!in_proj_weight.defined(), "q_proj_weight", {embed_dim_, embed_dim_})),
      k_proj_weight(
          parameter_if(!in_proj_weight.defined(), "k_proj_weight", {embed_dim_, o.kdim.value_or(embed_dim_)})),
      v_proj_weight(
          parameter_if(!in_proj_weight.defined(), "v_proj_weight", {embed_dim_, o.vdim.value_or(embed_dim_)})),
      in_proj_bias(parameter_if(o.bias, "in_proj_bias", {in_proj[0]})),
      bias_k(parameter_if(o.add_bias_kv, "bias_k", {1, 1, embed_dim_})),
      bias_v(parameter_if(o.add_bias_kv, "bias_v", {1, 1, embed_dim_})),
      out_proj(register_module("out_proj", Projection(embed_dim_, embed_dim_, {.bias = o.bias, .dtype = o.dtype}))) {}

Parameter MultiheadAttention::parameter_if(bool is_there, const char* name, const Shape& shape) {
  return is_there ? register_parameter(name, detail::fresh_weight(shape, options_.dtype)) : Parameter();
}

// With or without a batch dimension.
void MultiheadAttention::check_inputs(const Tensor& query, const Tensor& key, const Tensor& value) const {
  kernels::expect_any_floating(kLayer, {&query, &key, &value});
  const std::int64_t widths[] = {embed_dim_, options_.kdim.value_or(embed_dim_), options_.vdim.value_or(embed_dim_)};
  const int rank = query.dim(), batch = options_.batch_first ? 0 : 1;
  const auto fits = [rank](const Tensor& x, std::int64_t width) { return x.dim() == rank && x.size(-1) == width; };
  if ((rank == 2 || rank == 3) && fits(query, widths[0]) && fits(key, widths[1]) && fits(value, widths[2]) &&
      key.size(0) == value.size(0) && (rank == 2 || key.size(1) == value.size(1)) &&
      (rank == 2 || query.size(batch) == key.size(batch))) {
    return;
  }
  const bool is_one = widths[1] == embed_dim_ && widths[2] == embed_dim_;
  const auto form = [&](const char* length, const char* width) {
    const std::string l = length, n = rank == 2 ? "" : options_.batch_first ? "N, " + l : l + ", N";
    return "(" + (rank == 2 ? l : n) + ", " + (is_one ? "E" : width) + ")";
  };
  std::string sizes = " with E = " + std::to_string(embed_dim_);
  if (!is_one) sizes += ", kdim = " + std::to_string(widths[1]) + " and vdim = " + std::to_string(widths[2]);
  throw ShapeError("[MultiheadAttention] expected " + form("L", "E") + ", " + form("S", "kdim") + " and " +
                   form("S", "vdim") + sizes + ", got " + query.shape().to_string() + ", " + key.shape().to_string() +
                   " and " + value.shape().to_string());
}

// (L, N, E) or (N, L, E) -> (N, heads, L, E / heads)
Tensor MultiheadAttention::heads(const Tensor& x) const {
  const Tensor split = reshape(x, {x.size(0), x.size(1), num_heads_, x.size(2) / num_heads_});
  return options_.batch_first ? permute(split, {0, 2, 1, 3}) : permute(split, {1, 2, 0, 3});
}

// Keys or values (N, heads, S, E / heads) with the added ones behind them. `learned` is (1, 1, E) or undefined.
Tensor MultiheadAttention::with_added(const Tensor& x, const Tensor& learned) const {
  const std::int64_t n = x.size(0), width = x.size(3);
  Tensor y = x;
  if (learned.defined()) {
    const Tensor one = expand(reshape(learned, {1, num_heads_, 1, width}), {n, num_heads_, 1, width});
    y = cat({y, to(one, y.dtype())}, 2);
  }
  if (options_.add_zero_attn) y = cat({y, kernels::zeros({n, num_heads_, 1, width}, y.dtype(), y.device())}, 2);
  return y;
}

// All restrictions of queries q (N, heads, L, ..) and `keys` keys, as scaled_dot_product_attention takes them; every
// query sees the added keys. Undefined: none.
Tensor MultiheadAttention::mask(const AttentionMasks& masks, const Tensor& q, std::int64_t keys) const {
  const std::int64_t n = q.size(0), queries = q.size(2);
  Tensor all;
  if (masks.is_causal) all = later_keys(queries, keys, q.device());
  if (const Tensor& mask = masks.attn_mask; mask.defined()) {
    expect_mask(kLayer, mask, q.dtype());
    const Shape shape = mask.dim() == 3 ? Shape{n * num_heads_, queries, keys} : Shape{queries, keys};
    kernels::expect_shape(kLayer, "an attn_mask", mask, shape);
    all = both(all, mask.dim() == 3 ? reshape(mask, {n, num_heads_, queries, keys}) : mask, q.dtype());
  }
  if (const Tensor& mask = masks.key_padding_mask; mask.defined()) {
    expect_mask(kLayer, mask, q.dtype());
    kernels::expect_shape(kLayer, "a key_padding_mask", mask, {n, keys});
    all = both(all, reshape(mask, {n, 1, 1, keys}), q.dtype());
  }
  if (!all.defined()) return all;
  if (added_keys() > 0) {
    Shape added = all.shape();
    added[added.size() - 1] = added_keys();
    all = cat({all, kernels::zeros(added, all.dtype(), all.device())}, -1);
  }
  return all.dtype() == DType::boolean ? kernels::logical_not(all) : all;
}

// Query, key and value (L, N, E) of the inputs.
std::vector<Tensor> MultiheadAttention::project(const Tensor& query, const Tensor& key, const Tensor& value) const {
  const bool is_whole = in_proj_weight.defined();
  if (is_whole && query.is_same(key) && key.is_same(value))
    return chunk(linear(query, in_proj_weight, in_proj_bias), 3, -1);
  const std::vector<Tensor> weights =
      is_whole ? chunk(in_proj_weight, 3) : std::vector<Tensor>{q_proj_weight, k_proj_weight, v_proj_weight};
  const std::vector<Tensor> biases = in_proj_bias.defined() ? chunk(in_proj_bias, 3) : std::vector<Tensor>(3);
  const Tensor* const inputs[] = {&query, &key, &value};
  std::vector<Tensor> projected;
  for (std::size_t i = 0; i < 3; ++i) projected.push_back(linear(*inputs[i], weights[i], biases[i]));
  return projected;
}

AttentionResult MultiheadAttention::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                                           const AttentionMasks& masks, bool needs_weights) {
  check_inputs(query, key, value);
  if (query.dim() == 3) return attend_batch(query, key, value, masks, needs_weights);
  const int batch = options_.batch_first ? 0 : 1;
  const Tensor q = unsqueeze(query, batch), k = key.is_same(query) ? q : unsqueeze(key, batch);
  const Tensor v = value.is_same(key) ? k : unsqueeze(value, batch);
  AttentionMasks of_one = masks;
  if (const Tensor& mask = masks.key_padding_mask; mask.defined()) {
    kernels::expect_shape(kLayer, "a key_padding_mask", mask, {key.size(0)});
    of_one.key_padding_mask = unsqueeze(mask, 0);
  }
  AttentionResult result = attend_batch(q, k, v, of_one, needs_weights);
  result.output = squeeze(result.output, batch);
  if (needs_weights) result.weights = squeeze(result.weights, 0);
  return result;
}

AttentionResult MultiheadAttention::attend_batch(const Tensor& query, const Tensor& key, const Tensor& value,
                                                 const AttentionMasks& masks, bool needs_weights) {
  const std::vector<Tensor> projected = project(query, key, value);
  const Tensor q = heads(projected[0]), k = heads(projected[1]), v = heads(projected[2]);
  AttentionOptions options{.is_causal = masks.is_causal && !masks.attn_mask.defined() &&
                                        !masks.key_padding_mask.defined() && added_keys() == 0};
  if (!options.is_causal) options.attn_mask = mask(masks, q, k.size(2));
  if (options_.dropout > 0 && is_training()) {
    options.drop = {options_.dropout, next_random()};
  }
  AttentionResult result;
  if (needs_weights) {
    options.dropout = [&result](const Tensor& weights) {
      result.weights = weights;
      return weights;
    };
  }
  const Tensor y = functional::scaled_dot_product_attention(q, with_added(k, bias_k), with_added(v, bias_v), options);
  if (needs_weights) result.weights = to(result.weights, q.dtype());
  const Shape shape = query.shape();
  result.output = out_proj(reshape(options_.batch_first ? permute(y, {0, 2, 1, 3}) : permute(y, {2, 0, 1, 3}), shape));
  return result;
}

AttentionResult MultiheadAttention::with_weights(const Tensor& query, const Tensor& key, const Tensor& value,
                                                 const AttentionMasks& masks, bool average_attn_weights) {
  AttentionResult result = attend(query, key, value, masks, true);
  if (average_attn_weights) result.weights = mean(result.weights, {-3});
  return result;
}

void MultiheadAttention::reset_parameters(const ParameterKeys& keys) {
  const auto start = [&](const Parameter& weight, const char* name) {
    if (weight.defined()) init::xavier_uniform_(weight, keys[name]);
  };
  start(in_proj_weight, "in_proj_weight");
  start(q_proj_weight, "q_proj_weight");
  start(k_proj_weight, "k_proj_weight");
  start(v_proj_weight, "v_proj_weight");
  if (in_proj_bias.defined()) init::constant_(in_proj_bias, 0);
  if (bias_k.defined()) init::xavier_normal_(bias_k, keys["bias_k"]);
  if (bias_v.defined()) init::xavier_normal_(bias_v, keys["bias_v"]);
}

void MultiheadAttention::Projection::reset_parameters(const ParameterKeys& keys) {
  Linear::reset_parameters(keys);
  if (bias.defined()) init::constant_(bias, 0);
}

}  // namespace hop::nn
