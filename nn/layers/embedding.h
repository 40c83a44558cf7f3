#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "autograd/embedding.h"
#include "nn/module.h"

namespace hop::nn {

struct EmbeddingOptions {
  std::optional<std::int64_t> padding_idx = {};  ///< its vector starts as 0 and gets no gradient; -1 is the last one
  std::optional<double> max_norm = {};           ///< vectors that are looked up are scaled down to this norm, in place
  double norm_type = 2;                          ///< which norm max_norm means
  bool scale_grad_by_freq = false;  ///< a vector's gradient is divided by how often its index stands in the batch
  DType dtype = DType::f32;
};

/// A table of vectors: indices (..) in 0..num_embeddings-1 -> (.., embedding_dim). torch.nn.Embedding. Indices are i64,
/// or whole numbers as f32 or f64, as data::Batch has them; an f32 holds each up to 2^24. Any other number is an
/// IndexError, which names it -1. Throws DtypeError for indices of 16 bits. With max_norm, a graph that saved `weight`
/// before this layer looked it up cannot be walked back (AutogradError), as in PyTorch. Not there: sparse.
class Embedding : public Module {
 public:
  /// Throws ConfigError for a padding_idx out of range and a max_norm that is not above 0.
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, const EmbeddingOptions& options = {});

  Tensor forward(const Tensor& indices) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Embedding"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (num_embeddings, embedding_dim)

 private:
  EmbeddingOptions options_;
};

using hop::EmbeddingBagMode;

struct EmbeddingBagOptions {
  EmbeddingBagMode mode = EmbeddingBagMode::mean;
  bool include_last_offset = false;              ///< the last offset is the end of the last bag
  std::optional<std::int64_t> padding_idx = {};  ///< counts in no bag, starts as 0, gets no gradient
  std::optional<double> max_norm = {};           ///< as that of Embedding
  double norm_type = 2;
  DType dtype = DType::f32;
};

/// The mean, sum or maximum of the vectors of each bag: embedding_bag(). A row of indices (N, L) is a bag -> (N,
/// embedding_dim); or indices (M) lie in bags that begin at offsets (B) -> (B, embedding_dim). Indices are those of
/// Embedding, offsets i64. An empty bag gives zeros. torch.nn.EmbeddingBag. Not there: scale_grad_by_freq, sparse. All
/// vectors are stored.
class EmbeddingBag : public Module {
 public:
  /// Throws as Embedding.
  EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim, const EmbeddingBagOptions& options = {});

  using Module::operator();
  /// Throws as embedding_bag(). Hooks see the indices and the output.
  Tensor operator()(const Tensor& indices, const Tensor& offsets, const Tensor& per_sample_weights = {}) {
    return with_hooks(indices, [&](const Tensor& input) { return forward(input, offsets, per_sample_weights); });
  }
  Tensor forward(const Tensor& indices) override { return forward(indices, {}, {}); }
  Tensor forward(const Tensor& indices, const Tensor& offsets, const Tensor& per_sample_weights);
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "EmbeddingBag"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (num_embeddings, embedding_dim)

 private:
  EmbeddingBagOptions options_;
};

/// Numbers beside categories: x (N, F + C), of which the last C features are indices of words -> (N, F + C
/// embedding_dim), the F numbers and a vector for each category. Category c has words[c] words, and index 0 stands for
/// any other word. Its vector starts as 0, like PyTorch's padding_idx, because no training row may have it. An index
/// out of range is an IndexError.
///
/// The tables of all categories stand in one weight, one after the other, so that a batch needs one gather. PyTorch:
/// cat([x[:, :F], embedding(x[:, F:].long() + first[:-1], weight).flatten(1)], 1).
class CategoryEmbedding : public Module {
 public:
  /// Throws ConfigError without words, and for more than an f32 counts: 2^24.
  CategoryEmbedding(std::vector<std::int64_t> words, std::int64_t embedding_dim, EmbeddingOptions options = {});

  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "CategoryEmbedding"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (sum of words + C, embedding_dim)
  Buffer first;      ///< (C + 1) i64: the row of `weight` where each table begins, and its number of rows

 private:
  CategoryEmbedding(const Tensor& first_rows, std::vector<std::int64_t> words, std::int64_t embedding_dim,
                    EmbeddingOptions options);
  Tensor rows_of(const Tensor& indices) const;

  std::vector<std::int64_t> words_;
};

}  // namespace hop::nn
