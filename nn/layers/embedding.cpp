#include "nn/layers/embedding.h"

#include "autograd/index.h"
#include "nn/detail/layer.h"
#include "nn/init.h"

namespace hop::nn {

namespace {

Tensor new_table(std::int64_t num_embeddings, std::int64_t embedding_dim, DType dtype) {
  detail::check_positive("Embedding", {{"num_embeddings", num_embeddings}, {"embedding_dim", embedding_dim}});
  return detail::fresh_weight({num_embeddings, embedding_dim}, dtype);
}

}  // namespace

Embedding::Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options)
    : weight(register_parameter("weight", new_table(num_embeddings, embedding_dim, options.dtype))) {}

Tensor Embedding::forward(const Tensor& indices) { return embedding(weight, indices); }

void Embedding::reset_parameters(const ParameterKeys& keys) { init::normal_(weight, keys["weight"]); }

std::string Embedding::extra_repr() const {
  return std::to_string(weight.size(0)) + ", " + std::to_string(weight.size(1));
}

}  // namespace hop::nn
