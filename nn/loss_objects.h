// Losses as objects: torch.nn's names, options and defaults. Each calls the function of autograd/ that its comment
// names, which has the formula and the errors.
//
//   const nn::CrossEntropyLoss loss{.label_smoothing = 0.1};
//   backward(loss(model(x), labels));
//
// A loss of numbers takes outputs and targets of one shape: (N), (N, K) for K target columns, or any other. Targets (N)
// also fit outputs (N, 1). Targets may have any dtype, and are converted to the one of the outputs. Other shapes throw
// ShapeError; PyTorch broadcasts (N) against (N, 1) to (N, N). each() is the loss of each element, in the shape of the
// outputs: reduction="none" of PyTorch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "autograd/ctc_loss.h"
#include "autograd/loss.h"
#include "tensor/tensor.h"

namespace hop::nn {

// ---- of classes

/// cross_entropy(): of logits and labels, or of logits and probabilities. If no label of a batch counts, the mean is 0
/// (PyTorch: NaN).
struct CrossEntropyLoss {
  Tensor weight = {};                             ///< (C): the factor of each class; the mean is the weighted one
  std::optional<std::int64_t> ignore_index = {};  ///< rows with this target do not count
  Reduction reduction = Reduction::mean;
  double label_smoothing = 0;  ///< 0 to 1: this share of a target is spread over all classes
  Tensor operator()(const Tensor& logits, const Tensor& target) const;
};

/// nll_loss(): of log probabilities and labels.
struct NLLLoss {
  Tensor weight = {};                             ///< as in CrossEntropyLoss
  std::optional<std::int64_t> ignore_index = {};  ///< as in CrossEntropyLoss
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& log_probabilities, const Tensor& labels) const;
};

/// multi_margin_loss(): of scores and labels.
struct MultiMarginLoss {
  int p = 1;  ///< 1 or 2
  double margin = 1;
  Tensor weight = {};  ///< (C)
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& labels) const;
};

/// multilabel_margin_loss(): of scores and lists of labels, each of which ends with -1.
struct MultiLabelMarginLoss {
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& labels) const;
};

/// ctc_loss(): of sequences.
struct CTCLoss {
  std::int64_t blank = 0;
  Reduction reduction = Reduction::mean;
  bool zero_infinity = false;
  Tensor operator()(const Tensor& log_probabilities, const Tensor& targets, const Tensor& input_lengths,
                    const Tensor& target_lengths) const;
};

// ---- of probabilities and signs

/// binary_cross_entropy(): of probabilities and targets from 0 to 1.
struct BCELoss {
  Tensor weight = {};  ///< broadcasts to x
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& probabilities, const Tensor& target) const;
};

/// binary_cross_entropy_with_logits(): of logits and targets from 0 to 1.
struct BCEWithLogitsLoss {
  Tensor weight = {};  ///< broadcasts to x
  Reduction reduction = Reduction::mean;
  Tensor pos_weight = {};  ///< the factor of y log p, for rare positives; broadcasts to x: (K) for K columns
  Tensor operator()(const Tensor& logits, const Tensor& target) const;
  Tensor each(const Tensor& logits, const Tensor& target) const;  ///< before the mean
};

/// multilabel_soft_margin_loss(): the mean of BCEWithLogitsLoss over the classes.
struct MultiLabelSoftMarginLoss {
  Tensor weight = {};  ///< (C)
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& logits, const Tensor& target) const;
};

/// kl_div(): of log probabilities and probabilities.
struct KLDivLoss {
  Reduction reduction = Reduction::mean;
  bool log_target = false;
  Tensor operator()(const Tensor& log_probabilities, const Tensor& target) const;
};

/// soft_margin_loss(): of outputs and targets of -1 and 1.
struct SoftMarginLoss {
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& target) const;
};

/// hinge_embedding_loss(): of distances and targets of -1 and 1.
struct HingeEmbeddingLoss {
  double margin = 1;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& target) const;
};

// ---- of numbers

/// mse_loss().
struct MSELoss {
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& y) const;
  Tensor each(const Tensor& x, const Tensor& y) const;  ///< before the mean
};

/// l1_loss().
struct L1Loss {
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& y) const;
  Tensor each(const Tensor& x, const Tensor& y) const;  ///< before the mean
};

/// smooth_l1_loss().
struct SmoothL1Loss {
  Reduction reduction = Reduction::mean;
  double beta = 1;  ///< at least 0
  Tensor operator()(const Tensor& x, const Tensor& y) const;
};

/// huber_loss().
struct HuberLoss {
  Reduction reduction = Reduction::mean;
  double delta = 1;  ///< above 0
  Tensor operator()(const Tensor& x, const Tensor& y) const;
  Tensor each(const Tensor& x, const Tensor& y) const;  ///< before the mean
};

/// poisson_nll_loss().
struct PoissonNLLLoss {
  bool log_input = true;  ///< rate = exp(x); otherwise rate = x, and the logarithm is that of x + eps
  bool full = false;      ///< adds Stirling's approximation of log y!
  double eps = 1e-8;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& y) const;
  Tensor each(const Tensor& x, const Tensor& y) const;  ///< before the mean
};

/// gaussian_nll_loss(): of means, numbers and variances.
struct GaussianNLLLoss {
  bool full = false;  ///< adds log(2 pi) / 2
  double eps = 1e-6;  ///< the least variance
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& y, const Tensor& var) const;
};

/// max(q e, (q - 1) e) for e = y - x: least at the quantile q of y. Koenker and Bassett 1978; the pinball loss of
/// scikit-learn. (PyTorch has none.)
struct QuantileLoss {
  double quantile = 0.5;  ///< between 0 and 1; 0.5 gives half of L1Loss
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& x, const Tensor& y) const;
  Tensor each(const Tensor& x, const Tensor& y) const;  ///< before the mean
};

// ---- of pairs and triples

/// margin_ranking_loss().
struct MarginRankingLoss {
  double margin = 0;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& a, const Tensor& b, const Tensor& target) const;
};

/// cosine_embedding_loss().
struct CosineEmbeddingLoss {
  double margin = 0;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& a, const Tensor& b, const Tensor& target) const;
};

/// triplet_margin_loss().
struct TripletMarginLoss {
  double margin = 1;
  double p = 2;
  double eps = 1e-6;
  bool swap = false;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const;
};

/// triplet_margin_with_distance_loss().
struct TripletMarginWithDistanceLoss {
  std::function<Tensor(const Tensor& a, const Tensor& b)> distance_function = {};  ///< nothing: pairwise_distance()
  double margin = 1;
  bool swap = false;
  Reduction reduction = Reduction::mean;
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const;
};

/// cosine_similarity().
struct CosineSimilarity {
  std::int64_t dim = 1;
  double eps = 1e-8;
  Tensor operator()(const Tensor& a, const Tensor& b) const;
};

/// pairwise_distance().
struct PairwiseDistance {
  double p = 2;
  double eps = 1e-6;
  bool keepdim = false;
  Tensor operator()(const Tensor& a, const Tensor& b) const;
};

}  // namespace hop::nn
