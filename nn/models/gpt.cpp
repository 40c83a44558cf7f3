#include "nn/models/gpt.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "nn/detail/layer.h"
#include "nn/layers/attention.h"
#include "nn/layers/container.h"

namespace hop::nn::models {
namespace {

constexpr double kStd = 0.02;

// Residual layers start smaller, so that their sum has the size of one.
double residual_std(const GPTOptions& o) { return kStd / std::sqrt(2 * static_cast<double>(o.n_layer)); }

const GPTOptions& checked(const GPTOptions& o) {
  detail::check_positive("gpt", {{"vocab_size", o.vocab_size},
                                 {"block_size", o.block_size},
                                 {"n_layer", o.n_layer},
                                 {"n_head", o.n_head},
                                 {"n_embd", o.n_embd}});
  if (o.n_embd % o.n_head == 0) return o;
  throw ConfigError("[gpt] expected an n_embd that n_head divides, got " + std::to_string(o.n_embd) + " for " +
                    std::to_string(o.n_head) + " heads");
}

}  // namespace

CausalSelfAttention::CausalSelfAttention(const GPTOptions& o)
    : c_attn(register_module("c_attn", NormalLinear(o.n_embd, 3 * o.n_embd, kStd, {.dtype = o.dtype}))),
      c_proj(register_module("c_proj", NormalLinear(o.n_embd, o.n_embd, residual_std(o), {.dtype = o.dtype}))),
      attn_dropout(register_module("attn_dropout", Dropout(o.dropout))),
      resid_dropout(register_module("resid_dropout", Dropout(o.dropout))),
      n_head_(o.n_head) {}

Tensor CausalSelfAttention::forward(const Tensor& x) {
  const std::int64_t n = x.size(0), t = x.size(1), width = x.size(2);
  std::vector<Tensor> parts;
  for (const Tensor& part : chunk(c_attn(x), 3, -1)) {
    parts.push_back(permute(reshape(part, {n, t, n_head_, width / n_head_}), {0, 2, 1, 3}));
  }
  AttentionOptions options{.is_causal = true};
  drop_weights(options, attn_dropout);
  const Tensor y = functional::scaled_dot_product_attention(parts[0], parts[1], parts[2], options);
  return resid_dropout(c_proj(reshape(permute(y, {0, 2, 1, 3}), {n, t, width})));
}

GPTFeedForward::GPTFeedForward(const GPTOptions& o)
    : c_fc(register_module("c_fc", NormalLinear(o.n_embd, 4 * o.n_embd, kStd, {.dtype = o.dtype}))),
      c_proj(register_module("c_proj", NormalLinear(4 * o.n_embd, o.n_embd, residual_std(o), {.dtype = o.dtype}))),
      dropout(register_module("dropout", Dropout(o.dropout))),
      tanh_gelu_(o.tanh_gelu) {}

Tensor GPTFeedForward::forward(const Tensor& x) {
  const Tensor y = c_fc(x);
  return dropout(c_proj(gelu(y, tanh_gelu_ ? GeluApproximate::tanh : GeluApproximate::none)));
}

GPTBlock::GPTBlock(const GPTOptions& o)
    : ln_1(register_module("ln_1", LayerNorm({o.n_embd}, {.dtype = o.dtype}))),
      attn(register_module("attn", CausalSelfAttention(o))),
      ln_2(register_module("ln_2", LayerNorm({o.n_embd}, {.dtype = o.dtype}))),
      mlp(register_module("mlp", GPTFeedForward(o))) {}

Tensor GPTBlock::forward(const Tensor& x) {
  const Tensor y = x + attn(ln_1(x));
  return y + mlp(ln_2(y));
}

GPT::GPT(const GPTOptions& o)
    : wte(checked(o).vocab_size, o.n_embd, kStd, {.dtype = o.dtype}),
      wpe(o.block_size, o.n_embd, kStd, {.dtype = o.dtype}),
      drop(o.dropout),
      ln_f({o.n_embd}, {.dtype = o.dtype}),
      lm_head(wte.weight, {.bias = false}),
      options_(o) {
  ModuleDict transformer = register_module("transformer", ModuleDict());
  transformer.insert("wte", wte);
  transformer.insert("wpe", wpe);
  transformer.insert("drop", drop);
  ModuleList blocks;
  for (std::int64_t i = 0; i < o.n_layer; ++i) {
    h.emplace_back(o);
    blocks.push_back(h.back());
  }
  transformer.insert("h", blocks);
  transformer.insert("ln_f", ln_f);
  register_module("lm_head", lm_head);
}

Tensor GPT::forward(const Tensor& tokens) {
  if (tokens.dim() != 2 || tokens.size(1) < 1 || tokens.size(1) > options_.block_size) {
    throw ShapeError("[gpt] expected tokens (N, T) with T from 1 to " + std::to_string(options_.block_size) + ", got " +
                     tokens.shape().to_string());
  }
  const Tensor places = wpe(kernels::arange(tokens.size(1), DType::i64, tokens.device()));
  Tensor x = drop(wte(tokens) + places);
  for (GPTBlock& block : h) x = block(x);
  if (options_.last_only) x = select(x, 1, -1);
  return lm_head(ln_f(x));
}

StateDict gpt_from_hugging_face(const StateDict& state) {
  // Hugging Face's Conv1D holds (in, out).
  static constexpr std::string_view kTransposed[] = {".attn.c_attn.weight", ".attn.c_proj.weight", ".mlp.c_fc.weight",
                                                     ".mlp.c_proj.weight"};
  static constexpr std::string_view kPrefix = "transformer.", kMasks[] = {".attn.bias", ".attn.masked_bias"};
  const auto ends_with_any = [](std::string_view name, std::span<const std::string_view> endings) {
    return std::ranges::any_of(endings, [name](std::string_view ending) { return name.ends_with(ending); });
  };
  // Conv1D's c_attn is (n_embd, 3 n_embd); nanoGPT's Linear is (3 n_embd, n_embd).
  const auto is_conv1d = [&] {
    return std::ranges::any_of(state, [](const NamedTensor& entry) {
      return entry.name.ends_with(kTransposed[0]) && entry.tensor.dim() == 2 &&
             entry.tensor.size(0) < entry.tensor.size(1);
    });
  }();
  StateDict result;
  for (const NamedTensor& entry : state) {
    if (ends_with_any(entry.name, kMasks) || entry.name == "lm_head.weight") continue;
    const bool turns = is_conv1d && entry.tensor.dim() == 2 && ends_with_any(entry.name, kTransposed);
    result.push_back({entry.name.starts_with(kPrefix) ? entry.name : std::string(kPrefix) + entry.name,
                      turns ? kernels::contiguous(transpose(entry.tensor, 0, 1)) : entry.tensor});
  }
  const auto table = std::ranges::find(result, "transformer.wte.weight", &NamedTensor::name);
  if (table == result.end()) {
    throw StateError("[gpt] expected the weights of a GPT-2 with a wte.weight, got " + std::to_string(state.size()) +
                     " tensors without it");
  }
  result.push_back({"lm_head.weight", table->tensor});
  return result;
}

}  // namespace hop::nn::models
