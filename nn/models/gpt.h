// GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019), with the layout and the names of
// nanoGPT. Weights of Hugging Face: see gpt_from_hugging_face().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/layers/dropout.h"
#include "nn/layers/norm.h"
#include "nn/models/parts.h"

namespace hop::nn::models {

struct GPTOptions {
  std::int64_t vocab_size = 50257;
  std::int64_t block_size = 1024;  ///< the longest text, in tokens
  std::int64_t n_layer = 12;
  std::int64_t n_head = 12;
  std::int64_t n_embd = 768;
  double dropout = 0;
  bool tanh_gelu = false;  ///< GELU by tanh, as in OpenAI's weights; nanoGPT computes the exact one
  bool last_only = false;  ///< the logits of the last position alone, (N, vocab_size): a row is a text and what follows
  DType dtype = DType::f32;
};

/// Attention of each position to those up to its own.
class CausalSelfAttention : public Module {
 public:
  explicit CausalSelfAttention(const GPTOptions& options);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "CausalSelfAttention"; }

  NormalLinear c_attn, c_proj;
  Dropout attn_dropout, resid_dropout;

 private:
  std::int64_t n_head_;
};

class GPTFeedForward : public Module {
 public:
  explicit GPTFeedForward(const GPTOptions& options);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "MLP"; }

  NormalLinear c_fc, c_proj;
  Dropout dropout;

 private:
  bool tanh_gelu_;
};

class GPTBlock : public Module {
 public:
  explicit GPTBlock(const GPTOptions& options);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Block"; }

  LayerNorm ln_1;
  CausalSelfAttention attn;
  LayerNorm ln_2;
  GPTFeedForward mlp;
};

/// Tokens (N, T), i64 or whole numbers as floats -> logits (N, T, vocab_size) of the token after each. The last layer
/// shares the weight of the first one. For CrossEntropyLoss, reshape the logits to (N T, vocab_size).
class GPT : public Module {
 public:
  /// Throws ConfigError for sizes below 1, and unless n_head divides n_embd.
  explicit GPT(const GPTOptions& options);
  /// Throws ShapeError for more than block_size tokens, IndexError.
  Tensor forward(const Tensor& tokens) override;
  std::string type_name() const override { return "GPT"; }

  NormalEmbedding wte, wpe;
  Dropout drop;
  std::vector<GPTBlock> h;  ///< named "transformer.h.0", "transformer.h.1", ..
  LayerNorm ln_f;
  Linear lm_head;

 private:
  GPTOptions options_;
};

/// The weights of Hugging Face's GPT2LMHeadModel or GPT2Model ("h.0.attn.c_attn.weight", with or without
/// "transformer.") under the names of GPT, for load_state_dict(): weights of Hugging Face's Conv1D are transposed,
/// masks are left out, and lm_head.weight is that of wte. Names of nanoGPT's own stay as they are, and their weights
/// with them. Throws StateError if there is no wte.weight.
StateDict gpt_from_hugging_face(const StateDict& state);

}  // namespace hop::nn::models
