// Vision Transformer (Dosovitskiy et al., "An image is worth 16x16 words", 2021), with the names of torchvision.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/layers/attention.h"
#include "nn/layers/conv.h"
#include "nn/layers/dropout.h"
#include "nn/layers/norm.h"
#include "nn/layers/sequential.h"

namespace hop::nn::models {

struct ViTOptions {
  std::int64_t image_size = 224;  ///< of a square
  std::int64_t patch_size = 16;   ///< divides the image
  std::int64_t channels = 3;
  std::int64_t num_layers = 12;
  std::int64_t num_heads = 12;
  std::int64_t hidden_dim = 768;
  std::int64_t mlp_dim = 3072;
  double dropout = 0;
  double attention_dropout = 0;
  std::int64_t classes = 1000;
  DType dtype = DType::f32;
};

/// torchvision's EncoderBlock: (N, S, hidden_dim) -> the same shape.
class ViTBlock : public Module {
 public:
  explicit ViTBlock(const ViTOptions& options);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "EncoderBlock"; }

  LayerNorm ln_1;
  MultiheadAttention self_attention;
  Dropout dropout;
  LayerNorm ln_2;
  Sequential mlp;
};

/// torchvision's Encoder: adds the positions' vectors, then blocks and a LayerNorm.
class ViTEncoder : public Module {
 public:
  explicit ViTEncoder(const ViTOptions& options);
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Encoder"; }

  Parameter pos_embedding;  ///< (1, patches + 1, hidden_dim)
  Dropout dropout;
  std::vector<ViTBlock> layers;  ///< named "layers.encoder_layer_0", ..
  LayerNorm ln;
};

/// x (N, C, image_size, image_size) -> (N, classes). torchvision.models.vit_b_16.
class ViT : public Module {
 public:
  /// Throws ConfigError for sizes below 1 or that do not divide.
  explicit ViT(const ViTOptions& options);
  /// Throws ShapeError for images of another size.
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "VisionTransformer"; }

  Parameter class_token;  ///< (1, 1, hidden_dim), starts as 0
  Conv2d conv_proj;
  ViTEncoder encoder;
  Linear head;  ///< named "heads.head"

 private:
  ViTOptions options_;
};

}  // namespace hop::nn::models
