// Bags of words: the vectors of several words become one. The vectors of single words are embedding() (index.h).
#pragma once

#include <cstdint>
#include <optional>

#include "tensor/tensor.h"

namespace hop {

enum class EmbeddingBagMode : std::uint8_t { mean, sum, max };

struct EmbeddingBagArguments {
  /// Where each bag begins among indices (M): i64 (B), ascending from 0. A bag may be empty. Undefined: a row of
  /// indices (N, L) is a bag.
  Tensor offsets = {};
  EmbeddingBagMode mode = EmbeddingBagMode::mean;
  /// A factor of each index, of weight's dtype and the shape of the indices, in the mode sum alone (ConfigError).
  Tensor per_sample_weights = {};
  /// The last offset is the end of the last bag; indices behind it count in no bag.
  bool include_last_offset = false;
  /// A word that counts in no bag; a negative number counts from the end.
  std::optional<std::int64_t> padding_idx = {};
};

/// torch.nn.functional.embedding_bag, which takes the indices first: the sum, mean or maximum of the rows of weight (V,
/// D) in each bag of indices (i64) -> (B, D). An empty bag gives 0. Of equal maxima the first has the gradient. With
/// bf16 and f16 sums are f32 and rounded once. All vectors are stored; the mode max also sorts them, unless they are
/// rows without padding. Not there: scale_grad_by_freq, sparse gradients.
///
/// Throws ShapeError, DtypeError; IndexError for an index out of range, and for offsets that descend, do not begin at 0
/// or lie behind the indices (on a GPU when the host next waits for it); ConfigError for per_sample_weights in another
/// mode and a padding_idx out of range.
Tensor embedding_bag(const Tensor& weight, const Tensor& indices, const EmbeddingBagArguments& arguments = {});

/// torch.embedding_renorm_: in place and not recorded, the rows of weight (V, D) that indices (..) name are scaled so
/// that their norm_type-norm is at most max_norm. (PyTorch: max_norm of embedding() and embedding_bag(), before they
/// look.) Costs two passes over weight. Throws ShapeError, DtypeError, IndexError; ConfigError for a max_norm that is
/// not above 0.
const Tensor& embedding_renorm_(const Tensor& weight, const Tensor& indices, double max_norm, double norm_type = 2);

}  // namespace hop
