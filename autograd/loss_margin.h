// Differentiable losses of margins and of similarity, by PyTorch's names and rules. All throw ShapeError for shapes
// that do not fit. A mean over no losses is NaN.
#pragma once

#include <functional>

#include "autograd/reduction.h"
#include "tensor/tensor.h"

namespace hop {

// ---- of outputs x against signs or classes

/// log(1 + exp(-target x)), for targets of -1 and 1 in x's shape. Finite for any finite x (PyTorch: infinite where
/// exp() is).
Tensor soft_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);

struct HingeEmbeddingLossOptions {
  double margin = 1;
  Reduction reduction = Reduction::mean;
};
/// x where the target is 1, max(0, margin - x) where it is -1; both for other targets. x and target have one shape.
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, const HingeEmbeddingLossOptions& options = {});

struct MultiMarginLossOptions {
  int p = 1;  ///< 1 or 2 (ConfigError)
  double margin = 1;
  Tensor weight = {};  ///< (C): the factor of each label's loss. The mean divides by the number of rows
  Reduction reduction = Reduction::mean;
};
/// sum over j != label of max(0, margin - x[label] + x[j])^p / C (Crammer and Singer 2001). x (N, C) and labels (N)
/// i64, or x (C) and label (); x () is one class. Losses (N) or (). Throws DtypeError; IndexError for a label out of
/// range.
Tensor multi_margin_loss(const Tensor& x, const Tensor& labels, const MultiMarginLossOptions& options = {});

/// sum over labels l and classes j that are no label of max(0, 1 - x[l] + x[j]) / C. x (N, C) or (C), or () for one
/// class; labels in the same shape, i64: those of a row stand before its first negative number. Losses (N) or ().
/// Memory: N C^2 elements. Throws DtypeError; IndexError for a label out of range.
Tensor multilabel_margin_loss(const Tensor& x, const Tensor& labels, Reduction reduction = Reduction::mean);

struct MultilabelSoftMarginLossOptions {
  Tensor weight = {};  ///< the factor of each class, broadcast to x
  Reduction reduction = Reduction::mean;
};
/// The mean over the last dimension, that of the classes, of -target log p - (1 - target) log(1 - p) for p =
/// sigmoid(x). x and target (.., C); losses (..).
Tensor multilabel_soft_margin_loss(const Tensor& x, const Tensor& target,
                                   const MultilabelSoftMarginLossOptions& options = {});

// ---- of pairs and triples

struct MarginLossOptions {
  double margin = 0;
  Reduction reduction = Reduction::mean;
};
/// max(0, margin - target (a - b)): a should be the larger one where the target is 1, the smaller one where it is -1.
/// The three broadcast, with equal numbers of dimensions.
Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target,
                           const MarginLossOptions& options = {});

/// 1 - cos(a, b) where the target is 1, max(0, cos(a, b) - margin) where it is -1, 0 elsewhere. a and b (N, D), target
/// (N), or (D) and (). The squares of the norms get 1e-12 added, as in PyTorch.
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target,
                             const MarginLossOptions& options = {});

struct TripletMarginLossOptions {
  double margin = 1;
  double p = 2;  ///< of the norm
  double eps = 1e-6;
  bool swap = false;  ///< the negative's distance is the smaller one of those to anchor and positive (Balntas 2016)
  Reduction reduction = Reduction::mean;
};
/// max(0, d(anchor, positive) - d(anchor, negative) + margin), where d is pairwise_distance(). The three have equal
/// numbers of dimensions and broadcast: (N, D) -> (N), (D) -> ().
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginLossOptions& options = {});

struct TripletMarginWithDistanceLossOptions {
  /// Of two tensors like anchor and positive. Nothing: pairwise_distance().
  std::function<Tensor(const Tensor& a, const Tensor& b)> distance_function = {};
  double margin = 1;
  bool swap = false;  ///< as in TripletMarginLossOptions
  Reduction reduction = Reduction::mean;
};
/// The same with any distance.
Tensor triplet_margin_with_distance_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                         const TripletMarginWithDistanceLossOptions& options = {});

}  // namespace hop
