#pragma once

#include <cstdint>
#include <vector>

#include "nn/module.h"

namespace hop::nn {

struct EmbeddingOptions {
  DType dtype = DType::f32;
};

/// A table of vectors: indices (..) in 0..num_embeddings-1 -> (.., embedding_dim). torch.nn.Embedding. Indices are i64,
/// or whole numbers as f32 or f64, as data::Batch has them; an f32 holds each up to 2^24. Any other number is an
/// IndexError, which names it -1. Throws DtypeError for indices of 16 bits.
class Embedding : public Module {
 public:
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options = {});

  Tensor forward(const Tensor& indices) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Embedding"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (num_embeddings, embedding_dim)
};

enum class EmbeddingBagMode : std::uint8_t { mean, sum };

struct EmbeddingBagOptions {
  EmbeddingBagMode mode = EmbeddingBagMode::mean;
  DType dtype = DType::f32;
};

/// The mean or sum of the vectors of each bag: indices (N, L), as those of Embedding, -> (N, embedding_dim). An empty
/// bag (L = 0) gives zeros. torch.nn.EmbeddingBag. Not there: offsets, the mode max, padding_idx, max_norm. All N L
/// vectors are stored.
class EmbeddingBag : public Module {
 public:
  EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingBagOptions options = {});

  /// Throws ShapeError unless indices are (N, L), IndexError, DtypeError.
  Tensor forward(const Tensor& indices) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "EmbeddingBag"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (num_embeddings, embedding_dim)

 private:
  EmbeddingBagMode mode_;
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
