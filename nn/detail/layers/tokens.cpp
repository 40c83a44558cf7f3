// Layers of sequences of tokens (T, E), of which a Transformer is made.
#include "nn/detail/layers/rows.h"

#include <cmath>

#include "base/error.h"
#include "kernels/copy.h"
#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;
using Integers = std::vector<std::int64_t>;

Shape one_token(const Arguments& a, const Shape& sample) { return {token_shape(a, sample)[1]}; }

// ---- attention

Shape attention_shape(const Arguments& a, const Shape& sample) {
  token_shape(a, sample);
  if (sample[1] % a.integer(0) == 0) return sample;
  throw ShapeError("expected tokens whose size the heads divide, got " + std::to_string(sample[1]) + " for " +
                   a.text(0) + " heads");
}

double attention_elements(const Arguments&, const Shape& sample) { return 4 * real(sample[1]) * (real(sample[1]) + 1); }

AnyModule attention_layer(const Arguments& a, const Shape& sample) {
  return std::make_shared<SelfAttention>(sample[1], a.integer(0),
                                         SelfAttentionOptions{.dropout = a.number(2), .is_causal = a.flag(1)});
}

// A class of the script.
std::string torch_attention(const Arguments& a, const Shape& sample) {
  return "Attention(" + std::to_string(sample[1]) + ", " + a.text(0) + ", causal=" + python(a.flag(1)) + ")";
}

// ---- in ONNX, also for the attention of transformer_encoder_layer

// x W^T + b
OnnxValue projection(const OnnxLayer& layer, const OnnxValue& x, const std::string& weight, const std::string& bias) {
  const OnnxValue turned = layer.model.node("Transpose", {layer.weight(weight)}, {{"perm", Integers{1, 0}}});
  return layer.model.node("Add", {layer.model.node("MatMul", {x, turned}), layer.weight(bias)});
}

// (T, T): minus infinity for the tokens behind each.
Tensor later_tokens(const OnnxModel& model, std::int64_t tokens) {
  model.expect_room(static_cast<std::uint64_t>(tokens) * static_cast<std::uint64_t>(tokens) * sizeof(float));
  const Tensor mask = kernels::zeros({tokens, tokens});
  for (std::int64_t i = 0; i < tokens; ++i) {
    for (std::int64_t k = i + 1; k < tokens; ++k) mask.data<float>()[i * tokens + k] = -HUGE_VALF;
  }
  return mask;
}

/// `prefix`: of the names of its weights.
OnnxValue attend(const OnnxLayer& layer, const OnnxValue& x, std::int64_t heads, bool is_causal,
                 const std::string& prefix = {}) {
  OnnxModel& model = layer.model;
  const std::int64_t tokens = layer.sample[0], size = layer.sample[1];
  const OnnxValue all = projection(layer, x, prefix + "in_proj_weight", prefix + "in_proj_bias");
  const auto part = [&](std::int64_t i, const Integers& order) {  // (N, heads, ..)
    const OnnxValue slice =
        model.node("Slice", {all, model.integers({i * size}), model.integers({(i + 1) * size}), model.integers({2})});
    const OnnxValue split = model.node("Reshape", {slice, model.integers({0, tokens, heads, size / heads})});
    return model.node("Transpose", {split}, {{"perm", order}});
  };
  const OnnxValue q = part(0, {0, 2, 1, 3}), k = part(1, {0, 2, 3, 1}), v = part(2, {0, 2, 1, 3});
  const OnnxValue scale = model.number(static_cast<float>(1 / std::sqrt(real(size / heads))));
  OnnxValue scores = model.node("MatMul", {model.node("Mul", {q, scale}), k});
  if (is_causal) {
    scores = model.node("Add", {scores, model.tensor(layer.name + ".later", later_tokens(model, tokens))});
  }
  const OnnxValue mixed = model.node("MatMul", {model.node("Softmax", {scores}), v});
  const OnnxValue turned = model.node("Transpose", {mixed}, {{"perm", Integers{0, 2, 1, 3}}});
  const OnnxValue joined = model.node("Reshape", {turned, model.integers({0, tokens, size})});
  return projection(layer, joined, prefix + "out_proj.weight", prefix + "out_proj.bias");
}

OnnxValue attention(const OnnxLayer& layer, const OnnxValue& x) {
  return attend(layer, x, layer.arguments.integer(0), layer.arguments.flag(1));
}

// ---- transformer_encoder_layer

constexpr std::string_view kActivations[] = {"relu", "gelu"};

bool has_gelu(const Arguments& a) { return a.text(3) == kActivations[1]; }

double encoder_elements(const Arguments& a, const Shape& sample) {
  const double size = real(sample[1]), inner = real(a.integer(1));
  return 4 * size * (size + 1) + inner * (size + 1) + size * (inner + 1) + 4 * size;
}

AnyModule encoder_layer(const Arguments& a, const Shape& sample) {
  return std::make_shared<TransformerEncoderLayer>(
      sample[1], a.integer(0),
      TransformerEncoderLayerOptions{
          .dim_feedforward = a.integer(1),
          .dropout = a.number(2),
          .activation = has_gelu(a) ? TransformerActivation::gelu : TransformerActivation::relu,
          .layer_norm_eps = a.number(5),
          .batch_first = true,
          .norm_first = a.flag(4)});
}

std::string torch_encoder_layer(const Arguments& a, const Shape& sample) {
  return "nn.TransformerEncoderLayer(" + std::to_string(sample[1]) + ", " + a.text(0) +
         ", dim_feedforward=" + a.text(1) + ", dropout=" + a.text(2) + ", activation=\"" + a.text(3) +
         "\", layer_norm_eps=" + a.text(5) + ", batch_first=True, norm_first=" + python(a.flag(4)) + ")";
}

OnnxValue onnx_encoder_layer(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  const Arguments& a = layer.arguments;
  const auto norm = [&](const OnnxValue& y, const std::string& name) {
    return model.node("LayerNormalization", {y, layer.weight(name + ".weight"), layer.weight(name + ".bias")},
                      {{"epsilon", static_cast<float>(a.number(5))}});
  };
  const auto attended = [&](const OnnxValue& y) { return attend(layer, y, a.integer(0), false, "self_attn."); };
  const auto forwarded = [&](const OnnxValue& y) {
    const OnnxValue inner = projection(layer, y, "linear1.weight", "linear1.bias");
    return projection(layer, has_gelu(a) ? onnx_gelu(model, inner) : model.node("Relu", {inner}), "linear2.weight",
                      "linear2.bias");
  };
  if (a.flag(4)) {
    const OnnxValue y = model.node("Add", {x, attended(norm(x, "norm1"))});
    return model.node("Add", {y, forwarded(norm(y, "norm2"))});
  }
  const OnnxValue y = norm(model.node("Add", {x, attended(x)}), "norm1");
  return norm(model.node("Add", {y, forwarded(y)}), "norm2");
}

// ---- positional_embedding

double positional_elements(const Arguments&, const Shape& sample) { return real(sample[0]) * real(sample[1]); }

AnyModule positional_layer(const Arguments&, const Shape& sample) {
  return std::make_shared<PositionalEmbedding>(sample[0], sample[1]);
}

// A class of the script.
std::string torch_positional(const Arguments&, const Shape& sample) {
  return "Positions(" + std::to_string(sample[0]) + ", " + std::to_string(sample[1]) + ")";
}

OnnxValue positional(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("Add", {x, layer.weight("weight")});
}

// ---- image_tokens

Shape pixels(const Arguments& a, const Shape& sample) {
  image_shape(a, sample);
  return {sample[1] * sample[2], sample[0]};
}

OnnxValue image_tokens(const OnnxLayer& layer, const OnnxValue& x) {
  const OnnxValue flat =
      layer.model.node("Reshape", {x, layer.model.integers({0, layer.sample[0], layer.sample[1] * layer.sample[2]})});
  return layer.model.node("Transpose", {flat}, {{"perm", Integers{0, 2, 1}}});
}

// ---- token_mean, last_token. In PyTorch each is a class of the script.

template <char Kind>
std::string torch_tokens(const Arguments&, const Shape&) {
  return Kind == 'i' ? "Tokens(\"image\")" : Kind == 'm' ? "Tokens(\"mean\")" : "Tokens(\"last\")";
}

OnnxValue token_mean(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("ReduceMean", {x}, {{"axes", Integers{1}}, {"keepdims", std::int64_t{0}}});
}

OnnxValue last_token(const OnnxLayer& layer, const OnnxValue& x) {
  const OnnxValue last = layer.model.node("Gather", {x, layer.model.integers({-1})}, {{"axis", std::int64_t{1}}});
  return layer.model.node("Squeeze", {last, layer.model.integers({1})});
}

// ---- the rows

constexpr Attribute kAttention[] = {
    {"num_heads", integer, "", 1, kUnlimited, true}, {"causal", flag, "false"}, {"dropout", number, "0", 0, 1}};
constexpr Attribute kEncoder[] = {
    {"nhead", integer, "", 1, kUnlimited, true},
    {"dim_feedforward", integer, "2048", 1, kUnlimited, true},
    {"dropout", number, "0.1", 0, 1},
    {.name = "activation", .type = word, .fallback = kActivations[0], .words = kActivations},
    {"norm_first", flag, "false"},
    {"layer_norm_eps", number, "1e-05"}};

constexpr std::array kRows = {
    LayerKind{"attention", kAttention, attention_shape, attention_elements, attention_layer, torch_attention,
              attention},
    LayerKind{"transformer_encoder_layer", kEncoder, attention_shape, encoder_elements, encoder_layer,
              torch_encoder_layer, onnx_encoder_layer},
    LayerKind{
        "positional_embedding", {}, token_shape, positional_elements, positional_layer, torch_positional, positional},
    LayerKind{"image_tokens", {}, pixels, nullptr, plain<ImageTokens>, torch_tokens<'i'>, image_tokens},
    LayerKind{"token_mean", {}, one_token, nullptr, plain<TokenMean>, torch_tokens<'m'>, token_mean},
    LayerKind{"last_token", {}, one_token, nullptr, plain<LastToken>, torch_tokens<'l'>, last_token},
};

}  // namespace

std::span<const LayerKind> token_layers() { return kRows; }

}  // namespace hop::nn::detail
