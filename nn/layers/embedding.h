#pragma once

#include "nn/module.h"

namespace hop::nn {

struct EmbeddingOptions {
  DType dtype = DType::f32;
};

/// A table of vectors: indices (..) i64 in 0..num_embeddings-1 -> (.., embedding_dim). torch.nn.Embedding.
class Embedding : public Module {
 public:
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options = {});

  Tensor forward(const Tensor& indices) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Embedding"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (num_embeddings, embedding_dim)
};

}  // namespace hop::nn
