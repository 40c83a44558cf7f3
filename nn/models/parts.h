// Layers of ready models that start with other weights than the layers alone do.
#pragma once

#include <cstdint>

#include "nn/init.h"
#include "nn/layers/conv.h"
#include "nn/layers/embedding.h"
#include "nn/layers/linear.h"

namespace hop::nn::models {

/// A Conv2d whose weight starts as torchvision's: Kaiming normal of the outputs, for relu. The bias starts as 0.
class FanOutConv2d : public Conv2d {
 public:
  using Conv2d::Conv2d;
  void reset_parameters(const ParameterKeys& keys) override;
};

/// A Linear whose weight starts as normal(0, std). The bias starts as 0.
class NormalLinear : public Linear {
 public:
  NormalLinear(std::int64_t in_features, std::int64_t out_features, double std, LinearOptions options = {})
      : Linear(in_features, out_features, options), std_(std) {}
  void reset_parameters(const ParameterKeys& keys) override;

 private:
  double std_;
};

/// An Embedding that starts as normal(0, std).
class NormalEmbedding : public Embedding {
 public:
  NormalEmbedding(std::int64_t num_embeddings, std::int64_t embedding_dim, double std, EmbeddingOptions options = {})
      : Embedding(num_embeddings, embedding_dim, options), std_(std) {}
  void reset_parameters(const ParameterKeys& keys) override;

 private:
  double std_;
};

/// The vectors of one category of a table: `words` + 1 of them, uniform in +-1 / sqrt(words + 1). Index 0, for which no
/// training row stands, starts as 0.
class WordEmbedding : public Embedding {
 public:
  WordEmbedding(std::int64_t words, std::int64_t embedding_dim, EmbeddingOptions options = {})
      : Embedding(words + 1, embedding_dim, options) {}
  void reset_parameters(const ParameterKeys& keys) override;
};

}  // namespace hop::nn::models
