#include "nn/models/vit.h"

#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"
#include "nn/init.h"
#include "nn/layers/activation.h"
#include "nn/layers/container.h"

namespace hop::nn::models {
namespace {

LayerNorm norm(const ViTOptions& o) { return LayerNorm({o.hidden_dim}, {.eps = 1e-6, .dtype = o.dtype}); }

Sequential feed_forward(const ViTOptions& o) {
  return Sequential(Linear(o.hidden_dim, o.mlp_dim, {.dtype = o.dtype}), GELU(), Dropout(o.dropout),
                    Linear(o.mlp_dim, o.hidden_dim, {.dtype = o.dtype}), Dropout(o.dropout));
}

const ViTOptions& checked(const ViTOptions& o) {
  detail::check_positive("vit", {{"image_size", o.image_size},
                                 {"patch_size", o.patch_size},
                                 {"num_layers", o.num_layers},
                                 {"hidden_dim", o.hidden_dim}});
  if (o.image_size % o.patch_size == 0) return o;
  throw ConfigError("[vit] expected a patch_size that divides the image, got " + std::to_string(o.patch_size) +
                    " for " + std::to_string(o.image_size));
}

std::int64_t positions(const ViTOptions& o) {
  const std::int64_t side = o.image_size / o.patch_size;
  return side * side + 1;
}

}  // namespace

ViTBlock::ViTBlock(const ViTOptions& o)
    : ln_1(register_module("ln_1", norm(o))),
      self_attention(
          register_module("self_attention",
                          MultiheadAttention(o.hidden_dim, o.num_heads,
                                             {.dropout = o.attention_dropout, .batch_first = true, .dtype = o.dtype}))),
      dropout(register_module("dropout", Dropout(o.dropout))),
      ln_2(register_module("ln_2", norm(o))),
      mlp(register_module("mlp", feed_forward(o))) {}

Tensor ViTBlock::forward(const Tensor& x) {
  const Tensor y = x + dropout(self_attention(ln_1(x)));
  return y + mlp(ln_2(y));
}

ViTEncoder::ViTEncoder(const ViTOptions& o)
    : pos_embedding(
          register_parameter("pos_embedding", detail::fresh_weight({1, positions(o), o.hidden_dim}, o.dtype))),
      dropout(register_module("dropout", Dropout(o.dropout))),
      ln(norm(o)) {
  ModuleDict blocks = register_module("layers", ModuleDict());
  for (std::int64_t i = 0; i < o.num_layers; ++i) {
    layers.emplace_back(o);
    blocks.insert("encoder_layer_" + std::to_string(i), layers.back());
  }
  register_module("ln", ln);
}

Tensor ViTEncoder::forward(const Tensor& x) {
  Tensor y = dropout(x + pos_embedding);
  for (ViTBlock& layer : layers) y = layer(y);
  return ln(y);
}

void ViTEncoder::reset_parameters(const ParameterKeys& keys) {
  init::normal_(pos_embedding, keys["pos_embedding"], 0, 0.02);
}

ViT::ViT(const ViTOptions& o)
    : class_token(register_parameter("class_token", detail::fresh_weight({1, 1, checked(o).hidden_dim}, o.dtype))),
      conv_proj(register_module(
          "conv_proj", Conv2d(o.channels, o.hidden_dim, o.patch_size, {.stride = o.patch_size, .dtype = o.dtype}))),
      encoder(register_module("encoder", ViTEncoder(o))),
      head(o.hidden_dim, o.classes, {.dtype = o.dtype}),
      options_(o) {
  register_module("heads", ModuleDict()).insert("head", head);
}

Tensor ViT::forward(const Tensor& x) {
  kernels::expect_shape("vit", "images", x, {x.size(0), options_.channels, options_.image_size, options_.image_size});
  const Tensor patches = permute(flatten(conv_proj(x), 2), {0, 2, 1});
  const Tensor token = expand(class_token, {x.size(0), 1, options_.hidden_dim});
  const Tensor y = encoder(cat({token, patches}, 1));
  return head(select(y, 1, 0));
}

void ViT::reset_parameters(const ParameterKeys&) { init::constant_(class_token, 0); }

}  // namespace hop::nn::models
