#include "nn/models/bert.h"

#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "nn/detail/layer.h"
#include "nn/layers/attention.h"
#include "nn/layers/container.h"

namespace hop::nn::models {
namespace {

constexpr double kStd = 0.02;

NormalLinear linear(std::int64_t in, std::int64_t out, const BertOptions& o) {
  return NormalLinear(in, out, kStd, {.dtype = o.dtype});
}

LayerNorm norm_of(const BertOptions& o) {
  return LayerNorm({o.hidden_size}, {.eps = o.layer_norm_eps, .dtype = o.dtype});
}

const BertOptions& checked(const BertOptions& o) {
  detail::check_positive("bert", {{"vocab_size", o.vocab_size},
                                  {"hidden_size", o.hidden_size},
                                  {"num_hidden_layers", o.num_hidden_layers},
                                  {"num_attention_heads", o.num_attention_heads},
                                  {"intermediate_size", o.intermediate_size},
                                  {"max_position_embeddings", o.max_position_embeddings},
                                  {"type_vocab_size", o.type_vocab_size}});
  if (o.hidden_size % o.num_attention_heads == 0) return o;
  throw ConfigError("[bert] expected a hidden_size that the heads divide, got " + std::to_string(o.hidden_size) +
                    " for " + std::to_string(o.num_attention_heads) + " heads");
}

// A module that has others by their names.
template <class... Parts>
ModuleDict named(const std::pair<const char*, Parts>&... parts) {
  ModuleDict dict;
  (dict.insert(parts.first, parts.second), ...);
  return dict;
}

}  // namespace

BertLayer::BertLayer(const BertOptions& o)
    : query(linear(o.hidden_size, o.hidden_size, o)),
      key(linear(o.hidden_size, o.hidden_size, o)),
      value(linear(o.hidden_size, o.hidden_size, o)),
      attention_output(linear(o.hidden_size, o.hidden_size, o)),
      attention_norm(norm_of(o)),
      intermediate(linear(o.hidden_size, o.intermediate_size, o)),
      output(linear(o.intermediate_size, o.hidden_size, o)),
      output_norm(norm_of(o)),
      dropout(register_module("dropout", Dropout(o.dropout))),
      heads_(o.num_attention_heads) {
  const ModuleDict self = named(std::pair("query", query), std::pair("key", key), std::pair("value", value));
  const ModuleDict behind = named(std::pair("dense", attention_output), std::pair("LayerNorm", attention_norm));
  register_module("attention", named(std::pair("self", self), std::pair("output", behind)));
  register_module("intermediate", named(std::pair("dense", intermediate)));
  register_module("output", named(std::pair("dense", output), std::pair("LayerNorm", output_norm)));
}

Tensor BertLayer::forward(const Tensor& x, const Tensor& padding) {
  const std::int64_t n = x.size(0), t = x.size(1), width = x.size(2);
  const auto heads = [&](const Tensor& y) { return permute(reshape(y, {n, t, heads_, width / heads_}), {0, 2, 1, 3}); };
  const Tensor q = heads(query(x)), k = heads(key(x)), v = heads(value(x));
  AttentionOptions options;
  drop_weights(options, dropout);
  if (padding.defined()) options.attn_mask = kernels::logical_not(reshape(padding, {n, 1, 1, t}));
  const Tensor mixed = permute(functional::scaled_dot_product_attention(q, k, v, options), {0, 2, 1, 3});
  const Tensor attended = dropout(attention_output(reshape(mixed, {n, t, width})));
  const Tensor y = attention_norm(attended + x);
  const Tensor fed = dropout(output(gelu(intermediate(y))));
  return output_norm(fed + y);
}

BertModel::BertModel(const BertOptions& o)
    : word_embeddings(checked(o).vocab_size, o.hidden_size, kStd, {.dtype = o.dtype}),
      position_embeddings(o.max_position_embeddings, o.hidden_size, kStd, {.dtype = o.dtype}),
      token_type_embeddings(o.type_vocab_size, o.hidden_size, kStd, {.dtype = o.dtype}),
      norm(norm_of(o)),
      dropout(o.dropout),
      pooler(linear(o.hidden_size, o.hidden_size, o)) {
  register_module("embeddings", named(std::pair("word_embeddings", word_embeddings),
                                      std::pair("position_embeddings", position_embeddings),
                                      std::pair("token_type_embeddings", token_type_embeddings),
                                      std::pair("LayerNorm", norm), std::pair("dropout", dropout)));
  ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers.emplace_back(o);
    list.push_back(layers.back());
  }
  register_module("encoder", named(std::pair("layer", list)));
  register_module("pooler", named(std::pair("dense", pooler)));
}

Tensor BertModel::forward(const Tensor& tokens, const BertInputs& inputs) {
  const std::int64_t most = position_embeddings.weight.size(0);
  if (tokens.dim() != 2 || tokens.size(1) < 1 || tokens.size(1) > most) {
    throw ShapeError("[bert] expected tokens (N, T) with T from 1 to " + std::to_string(most) + ", got " +
                     tokens.shape().to_string());
  }
  const Tensor& given = inputs.token_types;
  const Tensor types = given.defined() ? given : kernels::zeros({1, 1}, DType::i64, tokens.device());
  const Tensor places = position_embeddings(kernels::arange(tokens.size(1), DType::i64, tokens.device()));
  Tensor x = dropout(norm(word_embeddings(tokens) + token_type_embeddings(types) + places));
  for (BertLayer& layer : layers) x = inputs.padding.defined() ? layer(x, inputs.padding) : layer(x);
  return x;
}

Tensor BertModel::pooled(const Tensor& hidden) { return tanh(pooler(select(hidden, 1, 0))); }

BertClassifier::BertClassifier(const BertOptions& o)
    : bert(register_module("bert", BertModel(o))),
      dropout(register_module("dropout", Dropout(o.dropout))),
      classifier(register_module("classifier", linear(o.hidden_size, o.classes, o))) {}

Tensor BertClassifier::forward(const Tensor& tokens, const BertInputs& inputs) {
  const Tensor hidden = bert(tokens, inputs);
  return classifier(dropout(bert.pooled(hidden)));
}

}  // namespace hop::nn::models
