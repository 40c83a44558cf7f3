// Layers of sequences (N, T, E): T tokens, each a vector of E numbers. With Linear, LayerNorm, Dropout and Residual
// they make a Transformer in a Sequential.
#pragma once

#include <cstdint>
#include <string>

#include "nn/layers/attention.h"
#include "nn/module.h"

namespace hop::nn {

struct SelfAttentionOptions {
  double dropout = 0;      ///< of the attention's weights, while training
  bool is_causal = false;  ///< a token sees those up to itself
  DType dtype = DType::f32;
};

/// A MultiheadAttention of a sequence (N, T, E) to itself, with the names of its parameters.
class SelfAttention : public MultiheadAttention {
 public:
  /// Throws ConfigError as MultiheadAttention.
  SelfAttention(std::int64_t embed_dim, std::int64_t num_heads, const SelfAttentionOptions& options = {});
  using MultiheadAttention::forward;
  /// Throws ShapeError, DtypeError.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "SelfAttention"; }

 private:
  bool is_causal_;
};

/// Adds a learned vector to the token at each of T places: (N, T, E) -> the same shape. It starts as normal(0, 0.02).
class PositionalEmbedding : public Module {
 public:
  /// Throws ConfigError for sizes below 1.
  PositionalEmbedding(std::int64_t tokens, std::int64_t embedding_dim, DType dtype = DType::f32);
  /// Throws ShapeError unless x is (N, T, E).
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "PositionalEmbedding"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (T, E)
};

/// The pixels of an image as tokens: (N, C, H, W) -> (N, H W, C). Throws ShapeError for other inputs.
class ImageTokens : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "ImageTokens"; }
};

/// Tokens as a sequence with a channel for each of their numbers, (N, T, E) -> (N, E, T), and the other way round.
/// Throws ShapeError for other inputs.
class TransposeTokens : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "TransposeTokens"; }
};

/// The mean of all tokens: (N, T, E) -> (N, E). Throws ShapeError for other inputs.
class TokenMean : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "TokenMean"; }
};

/// The last token: (N, T, E) -> (N, E). Throws ShapeError for other inputs, and for T = 0.
class LastToken : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "LastToken"; }
};

}  // namespace hop::nn
