// The encoder of a Transformer (Vaswani et al., "Attention is all you need", 2017). The decoder is in
// transformer_decoder.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "nn/layers/attention.h"
#include "nn/layers/container.h"
#include "nn/layers/dropout.h"
#include "nn/layers/linear.h"
#include "nn/layers/norm.h"
#include "nn/module.h"

namespace hop::nn {

/// The activation between the two linear layers: relu, gelu, gelu_tanh (GELU with approximate="tanh", for which PyTorch
/// takes a function), or any function of one tensor. Copies of a layer share the function. If it is a module with
/// parameters, the layer does not register them. Throws ConfigError for an empty function.
class TransformerActivation {
 public:
  enum Name : std::uint8_t { relu, gelu, gelu_tanh };
  using Function = std::function<Tensor(const Tensor&)>;

  TransformerActivation(Name name) : name_(name) {}
  TransformerActivation(Tensor (*function)(const Tensor&)) : TransformerActivation(Function(function)) {}
  template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const Tensor&> TransformerActivation(F function)
      : function_(std::move(function)) {
    check();
  }

  Tensor operator()(const Tensor& x) const;

 private:
  void check() const;

  Name name_ = relu;
  Function function_;  // instead of the name, if there is one
};

struct TransformerEncoderLayerOptions {
  std::int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  TransformerActivation activation = TransformerActivation::relu;
  double layer_norm_eps = 1e-5;
  bool batch_first = false;  ///< (N, S, E) instead of (S, N, E)
  bool norm_first = false;   ///< normalise before attention and feed-forward instead of after
  bool bias = true;          ///< of all layers within
  DType dtype = DType::f32;
};

/// Self-attention, then two linear layers, each with a dropout, a residual and a LayerNorm: x (S, N, d_model) or (S,
/// d_model) -> the same shape. torch.nn.TransformerEncoderLayer.
class TransformerEncoderLayer : public Module {
 public:
  /// Throws ConfigError as MultiheadAttention, Linear, Dropout and LayerNorm do.
  TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead, const TransformerEncoderLayerOptions& options = {});

  using Module::operator();
  /// Throws ShapeError, DtypeError. PyTorch's names of the masks: src_mask, src_key_padding_mask.
  Tensor operator()(const Tensor& x, const AttentionMasks& masks) {
    return with_hooks(x, [&](const Tensor& input) { return forward(input, masks); });
  }
  Tensor forward(const Tensor& x) override { return forward(x, {}); }
  Tensor forward(const Tensor& x, const AttentionMasks& masks);
  std::string type_name() const override { return "TransformerEncoderLayer"; }

  MultiheadAttention self_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1, norm2;
  Dropout dropout1, dropout2;

 private:
  Tensor attend(const Tensor& x, const AttentionMasks& masks);
  Tensor feed_forward(const Tensor& x);

  TransformerActivation activation_;
  bool norm_first_;
};

/// num_layers clones of `layer` in a row, then `norm` if given. torch.nn.TransformerEncoder. PyTorch's layers start
/// with the same values; here init_parameters() gives each its own.
class TransformerEncoder : public Module {
 public:
  /// Throws ConfigError for num_layers below 1. `norm` is shared, as in PyTorch.
  TransformerEncoder(const TransformerEncoderLayer& layer, std::int64_t num_layers,
                     const std::optional<LayerNorm>& norm = std::nullopt);

  using Module::operator();
  Tensor operator()(const Tensor& x, const AttentionMasks& masks) {
    return with_hooks(x, [&](const Tensor& input) { return forward(input, masks); });
  }
  Tensor forward(const Tensor& x) override;
  Tensor forward(const Tensor& x, const AttentionMasks& masks);
  std::string type_name() const override { return "TransformerEncoder"; }

  std::vector<TransformerEncoderLayer> layers;  ///< named "layers.0", "layers.1", ..
  std::optional<LayerNorm> norm;
};

}  // namespace hop::nn
