#include "nn/models/tab_transformer.h"

#include <algorithm>

#include "autograd/ops.h"
#include "base/error.h"
#include "nn/layers/activation.h"
#include "nn/layers/container.h"

namespace hop::nn::models {
namespace {

TransformerEncoder encoder(const TabTransformerOptions& o) {
  const TransformerEncoderLayer layer(o.embedding, o.heads,
                                      {.dim_feedforward = 4 * o.embedding,
                                       .dropout = o.dropout,
                                       .activation = TransformerActivation::gelu,
                                       .batch_first = true,
                                       .dtype = o.dtype});
  return TransformerEncoder(layer, o.layers);
}

Sequential network(const TabTransformerOptions& o) {
  Sequential layers;
  std::int64_t in = o.numbers + static_cast<std::int64_t>(o.words.size()) * o.embedding;
  for (const std::int64_t width : o.hidden) {
    layers.push_back(Linear(in, width, {.dtype = o.dtype}));
    layers.push_back(ReLU());
    in = width;
  }
  layers.push_back(Linear(in, o.outputs, {.dtype = o.dtype}));
  return layers;
}

const TabTransformerOptions& checked(const TabTransformerOptions& o) {
  if (!o.words.empty() && o.numbers >= 0) return o;
  throw ConfigError("[tab_transformer] expected categories as indices of words, got " + std::to_string(o.words.size()) +
                    " categories and " + std::to_string(o.numbers) + " numbers");
}

}  // namespace

TabTransformer::TabTransformer(const TabTransformerOptions& o)
    : transformer(encoder(checked(o))),
      norm({std::max<std::int64_t>(o.numbers, 1)}, {.dtype = o.dtype}),
      mlp(network(o)),
      numbers_(o.numbers) {
  ModuleList tables = register_module("embeddings", ModuleList());
  for (const std::int64_t words : o.words) {
    embeddings.emplace_back(words, o.embedding, EmbeddingOptions{.dtype = o.dtype});
    tables.push_back(embeddings.back());
  }
  register_module("transformer", transformer);
  if (numbers_ > 0) register_module("norm", norm);
  register_module("mlp", mlp);
}

Tensor TabTransformer::forward(const Tensor& x) {
  const auto categories = static_cast<std::int64_t>(embeddings.size());
  if (x.dim() != 2 || x.size(1) != numbers_ + categories) {
    throw ShapeError("[tab_transformer] expected (N, " + std::to_string(numbers_ + categories) + "), got " +
                     x.shape().to_string());
  }
  std::vector<Tensor> vectors;
  for (std::int64_t i = 0; i < categories; ++i) {
    vectors.push_back(embeddings[static_cast<std::size_t>(i)](select(x, 1, numbers_ + i)));
  }
  const Tensor words = flatten(transformer(stack(vectors, 1)), 1);
  if (numbers_ == 0) return mlp(words);
  return mlp(cat({words, norm(slice(x, 1, 0, numbers_))}, 1));
}

}  // namespace hop::nn::models
