#include "nn/layers/transformer.h"

#include "autograd/activations.h"
#include "autograd/elementwise.h"
#include "nn/clone.h"
#include "nn/detail/layer.h"

namespace hop::nn {

namespace {

LayerNorm norm_of(std::int64_t d_model, const TransformerEncoderLayerOptions& o) {
  return LayerNorm({d_model}, {.eps = o.layer_norm_eps, .bias = o.bias, .dtype = o.dtype});
}

}  // namespace

void TransformerActivation::check() const {
  if (!function_) throw ConfigError("[TransformerActivation] expected a function, got an empty one");
}

Tensor TransformerActivation::operator()(const Tensor& x) const {
  if (function_) return function_(x);
  switch (name_) {
    case relu:
      return hop::relu(x);
    case gelu:
      return hop::gelu(x);
    case gelu_tanh:
      break;
  }
  return hop::gelu(x, GeluApproximate::tanh);
}

TransformerEncoderLayer::TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 const TransformerEncoderLayerOptions& o)
    : self_attn(register_module(
          "self_attn",
          MultiheadAttention(d_model, nhead,
                             {.dropout = o.dropout, .bias = o.bias, .batch_first = o.batch_first, .dtype = o.dtype}))),
      linear1(register_module("linear1", Linear(d_model, o.dim_feedforward, {.bias = o.bias, .dtype = o.dtype}))),
      dropout(register_module("dropout", Dropout(o.dropout))),
      linear2(register_module("linear2", Linear(o.dim_feedforward, d_model, {.bias = o.bias, .dtype = o.dtype}))),
      norm1(register_module("norm1", norm_of(d_model, o))),
      norm2(register_module("norm2", norm_of(d_model, o))),
      dropout1(register_module("dropout1", Dropout(o.dropout))),
      dropout2(register_module("dropout2", Dropout(o.dropout))),
      activation_(o.activation),
      norm_first_(o.norm_first) {}

// A call with x alone also reaches a module that replaced self_attn.
Tensor TransformerEncoderLayer::attend(const Tensor& x, const AttentionMasks& masks) {
  const bool is_plain = !masks.attn_mask.defined() && !masks.key_padding_mask.defined() && !masks.is_causal;
  return dropout1(is_plain ? self_attn(x) : self_attn(x, x, x, masks));
}

Tensor TransformerEncoderLayer::feed_forward(const Tensor& x) {
  return dropout2(linear2(dropout(activation_(linear1(x)))));
}

Tensor TransformerEncoderLayer::forward(const Tensor& x, const AttentionMasks& masks) {
  if (norm_first_) {
    const Tensor y = x + attend(norm1(x), masks);
    return y + feed_forward(norm2(y));
  }
  const Tensor y = norm1(x + attend(x, masks));
  return norm2(y + feed_forward(y));
}

TransformerEncoder::TransformerEncoder(const TransformerEncoderLayer& layer, std::int64_t num_layers,
                                       const std::optional<LayerNorm>& last) {
  detail::check_layers("TransformerEncoder", num_layers);
  ModuleList list = register_module("layers", ModuleList());
  for (std::int64_t i = 0; i < num_layers; ++i) {
    layers.push_back(clone(layer));
    list.push_back(layers.back());
  }
  if (last) norm.emplace(register_module("norm", *last));
}

Tensor TransformerEncoder::forward(const Tensor& x) {
  Tensor y = x;
  for (TransformerEncoderLayer& layer : layers) y = layer(y);
  return norm ? (*norm)(y) : y;
}

Tensor TransformerEncoder::forward(const Tensor& x, const AttentionMasks& masks) {
  Tensor y = x;
  for (TransformerEncoderLayer& layer : layers) y = layer(y, masks);
  return norm ? (*norm)(y) : y;
}

}  // namespace hop::nn
