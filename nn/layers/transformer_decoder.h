// The decoder of a Transformer, and the Transformer (Vaswani et al., "Attention is all you need", 2017).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nn/layers/transformer.h"

namespace hop::nn {

/// Restrictions of a decoder: among its own positions, and between them and those of the encoder. PyTorch's names:
/// tgt_mask, tgt_key_padding_mask, tgt_is_causal; memory_mask, memory_key_padding_mask.
struct DecoderMasks {
  AttentionMasks target{};
  AttentionMasks memory{};
};

/// Self-attention, attention to the encoder's result `memory`, then two linear layers, each part with a dropout, a
/// residual and a LayerNorm: x (T, N, d_model), memory (S, N, d_model) -> (T, N, d_model); or all without N.
/// torch.nn.TransformerDecoderLayer.
class TransformerDecoderLayer : public Module {
 public:
  /// Throws ConfigError as MultiheadAttention, Linear, Dropout and LayerNorm do.
  TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead, const TransformerEncoderLayerOptions& options = {});

  /// Throws ShapeError, DtypeError. Hooks see x and the output.
  Tensor operator()(const Tensor& x, const Tensor& memory, const DecoderMasks& masks = {}) {
    return with_hooks(x, [&](const Tensor& input) { return forward(input, memory, masks); });
  }
  using Module::forward;
  Tensor forward(const Tensor& x, const Tensor& memory, const DecoderMasks& masks);
  std::string type_name() const override { return "TransformerDecoderLayer"; }

  MultiheadAttention self_attn, multihead_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1, norm2, norm3;
  Dropout dropout1, dropout2, dropout3;

 private:
  Tensor attend(const Tensor& x, const AttentionMasks& masks);
  Tensor look(const Tensor& x, const Tensor& memory, const AttentionMasks& masks);
  Tensor feed_forward(const Tensor& x);

  TransformerActivation activation_;
  bool norm_first_;
};

/// num_layers clones of `layer` in a row, then `norm` if given. torch.nn.TransformerDecoder. PyTorch's layers start
/// with the same values; here init_parameters() gives each its own.
class TransformerDecoder : public Module {
 public:
  /// Throws ConfigError for num_layers below 1. `norm` is shared, as in PyTorch.
  TransformerDecoder(const TransformerDecoderLayer& layer, std::int64_t num_layers,
                     const std::optional<LayerNorm>& norm = std::nullopt);

  Tensor operator()(const Tensor& x, const Tensor& memory, const DecoderMasks& masks = {}) {
    return with_hooks(x, [&](const Tensor& input) { return forward(input, memory, masks); });
  }
  using Module::forward;
  Tensor forward(const Tensor& x, const Tensor& memory, const DecoderMasks& masks);
  std::string type_name() const override { return "TransformerDecoder"; }

  std::vector<TransformerDecoderLayer> layers;  ///< named "layers.0", "layers.1", ..
  std::optional<LayerNorm> norm;
};

struct TransformerOptions {
  std::int64_t d_model = 512;
  std::int64_t nhead = 8;
  std::int64_t num_encoder_layers = 6;
  std::int64_t num_decoder_layers = 6;
  std::int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  TransformerActivation activation = TransformerActivation::relu;
  double layer_norm_eps = 1e-5;
  bool batch_first = false;
  bool norm_first = false;
  bool bias = true;
  DType dtype = DType::f32;
};

struct TransformerMasks {
  AttentionMasks source{};
  DecoderMasks target{};
};

/// An encoder and a decoder, each with a LayerNorm behind its layers: source (S, N, d_model), target (T, N, d_model) ->
/// (T, N, d_model). torch.nn.Transformer. Weights start as those of the layers (PyTorch: Xavier uniform for all).
class Transformer : public Module {
 public:
  /// Throws ConfigError as its parts do.
  explicit Transformer(const TransformerOptions& options = {});

  /// Throws ShapeError, DtypeError. Hooks see the source and the output.
  Tensor operator()(const Tensor& source, const Tensor& target, const TransformerMasks& masks = {}) {
    return with_hooks(source, [&](const Tensor& input) { return forward(input, target, masks); });
  }
  using Module::forward;
  Tensor forward(const Tensor& source, const Tensor& target, const TransformerMasks& masks);
  std::string type_name() const override { return "Transformer"; }

  TransformerEncoder encoder;
  TransformerDecoder decoder;
};

}  // namespace hop::nn
