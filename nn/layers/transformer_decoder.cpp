#include "nn/layers/transformer_decoder.h"

#include "autograd/elementwise.h"
#include "nn/clone.h"
#include "nn/detail/layer.h"

namespace hop::nn {
namespace {

MultiheadAttentionOptions attention_options(const TransformerEncoderLayerOptions& o) {
  return {.dropout = o.dropout, .bias = o.bias, .batch_first = o.batch_first, .dtype = o.dtype};
}

LayerNormOptions norm_options(const TransformerEncoderLayerOptions& o) {
  return {.eps = o.layer_norm_eps, .bias = o.bias, .dtype = o.dtype};
}

TransformerEncoderLayerOptions layer_options(const TransformerOptions& o) {
  return {.dim_feedforward = o.dim_feedforward,
          .dropout = o.dropout,
          .activation = o.activation,
          .layer_norm_eps = o.layer_norm_eps,
          .batch_first = o.batch_first,
          .norm_first = o.norm_first,
          .bias = o.bias,
          .dtype = o.dtype};
}

LayerNorm last_norm(const TransformerOptions& o) {
  return LayerNorm({o.d_model}, {.eps = o.layer_norm_eps, .bias = o.bias, .dtype = o.dtype});
}

}  // namespace

TransformerDecoderLayer::TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 const TransformerEncoderLayerOptions& o)
    : self_attn(register_module("self_attn", MultiheadAttention(d_model, nhead, attention_options(o)))),
      multihead_attn(register_module("multihead_attn", MultiheadAttention(d_model, nhead, attention_options(o)))),
      linear1(register_module("linear1", Linear(d_model, o.dim_feedforward, {.bias = o.bias, .dtype = o.dtype}))),
      dropout(register_module("dropout", Dropout(o.dropout))),
      linear2(register_module("linear2", Linear(o.dim_feedforward, d_model, {.bias = o.bias, .dtype = o.dtype}))),
      norm1(register_module("norm1", LayerNorm({d_model}, norm_options(o)))),
      norm2(register_module("norm2", LayerNorm({d_model}, norm_options(o)))),
      norm3(register_module("norm3", LayerNorm({d_model}, norm_options(o)))),
      dropout1(register_module("dropout1", Dropout(o.dropout))),
      dropout2(register_module("dropout2", Dropout(o.dropout))),
      dropout3(register_module("dropout3", Dropout(o.dropout))),
      activation_(o.activation),
      norm_first_(o.norm_first) {}

// A call with x alone also reaches a module that replaced self_attn.
Tensor TransformerDecoderLayer::attend(const Tensor& x, const AttentionMasks& masks) {
  const bool is_plain = !masks.attn_mask.defined() && !masks.key_padding_mask.defined() && !masks.is_causal;
  return dropout1(is_plain ? self_attn(x) : self_attn(x, x, x, masks));
}

Tensor TransformerDecoderLayer::look(const Tensor& x, const Tensor& memory, const AttentionMasks& masks) {
  return dropout2(multihead_attn(x, memory, memory, masks));
}

Tensor TransformerDecoderLayer::feed_forward(const Tensor& x) {
  return dropout3(linear2(dropout(activation_(linear1(x)))));
}

Tensor TransformerDecoderLayer::forward(const Tensor& x, const Tensor& memory, const DecoderMasks& masks) {
  if (norm_first_) {
    const Tensor y = x + attend(norm1(x), masks.target);
    const Tensor z = y + look(norm2(y), memory, masks.memory);
    return z + feed_forward(norm3(z));
  }
  const Tensor y = norm1(x + attend(x, masks.target));
  const Tensor z = norm2(y + look(y, memory, masks.memory));
  return norm3(z + feed_forward(z));
}

TransformerDecoder::TransformerDecoder(const TransformerDecoderLayer& layer, std::int64_t num_layers,
                                       const std::optional<LayerNorm>& last) {
  detail::check_layers("TransformerDecoder", num_layers);
  ModuleList list = register_module("layers", ModuleList());
  for (std::int64_t i = 0; i < num_layers; ++i) {
    layers.push_back(clone(layer));
    list.push_back(layers.back());
  }
  if (last) norm.emplace(register_module("norm", *last));
}

Tensor TransformerDecoder::forward(const Tensor& x, const Tensor& memory, const DecoderMasks& masks) {
  Tensor y = x;
  for (TransformerDecoderLayer& layer : layers) y = layer(y, memory, masks);
  return norm ? (*norm)(y) : y;
}

Transformer::Transformer(const TransformerOptions& o)
    : encoder(
          register_module("encoder", TransformerEncoder(TransformerEncoderLayer(o.d_model, o.nhead, layer_options(o)),
                                                        o.num_encoder_layers, last_norm(o)))),
      decoder(
          register_module("decoder", TransformerDecoder(TransformerDecoderLayer(o.d_model, o.nhead, layer_options(o)),
                                                        o.num_decoder_layers, last_norm(o)))) {}

Tensor Transformer::forward(const Tensor& source, const Tensor& target, const TransformerMasks& masks) {
  return decoder(target, encoder(source, masks.source), masks.target);
}

}  // namespace hop::nn
