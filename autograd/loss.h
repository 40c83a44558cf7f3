// Differentiable losses, by PyTorch's names and rules. Where a rule is another one, the comment says so. Those of
// classes stand here.
//
//   cross_entropy(x, labels)                                                     // the mean, fused
//   cross_entropy(x, labels, {.weight = w, .reduction = Reduction::sum})
//
// Below, x is (N, C), or (N, C, d..) with classes in dimension 1, or (C) for one row. Labels are i64 in 0..C-1, in x's
// shape without C: (N), (N, d..) or (). Losses with Reduction::none have the shape of the labels.
#pragma once

#include <cstdint>
#include <optional>

#include "autograd/loss_margin.h"
#include "autograd/loss_numbers.h"
#include "autograd/loss_probability.h"
#include "autograd/reduction.h"
#include "tensor/tensor.h"

namespace hop {

struct CrossEntropyOptions {
  Tensor weight = {};  ///< (C): the factor of each class. A mean over labels is the weighted one
  /// Labels of this value do not count. Nothing: all labels are classes. (PyTorch ignores -100 if nothing is said.)
  std::optional<std::int64_t> ignore_index = {};
  Reduction reduction = Reduction::mean;
  double label_smoothing = 0;  ///< 0 to 1: this share of a target is spread over all classes
};

/// -log softmax(x)[label], or -sum_c target_c log softmax(x)_c for a floating target of x's shape (probabilities, which
/// get a gradient, too). The mean over labels divides by the sum of the labels' weights. Over no rows it is NaN; if no
/// row counts (all are ignored, or have weights of 0), it is 0 and has the gradient 0 (PyTorch: NaN). The mean over
/// probabilities divides by the number of rows.
/// The mean over labels without other options is fused; if x (N, C) requires a gradient, a GPU computes the gradient in
/// the same pass over x. Throws ShapeError, DtypeError; IndexError for a label out of range (on a GPU when the host
/// next waits); ConfigError for a label_smoothing outside 0..1, and for an ignore_index of 0 or more with
/// probabilities.
Tensor cross_entropy(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options = {});

/// cross_entropy(linear(x, weight, bias), target, options), torch.nn.functional.linear_cross_entropy: x (N, features)
/// or (features), weight (C, features), bias (C) or undefined. (PyTorch also takes weights of more dimensions, and may
/// compute the logits of a large C in pieces.) Throws as the two.
Tensor linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& target, const Tensor& bias = {},
                            const CrossEntropyOptions& options = {});

struct NLLLossOptions {
  Tensor weight = {};                             ///< as in CrossEntropyOptions
  std::optional<std::int64_t> ignore_index = {};  ///< as in CrossEntropyOptions
  Reduction reduction = Reduction::mean;
};

/// -log_probabilities[label]: nll_loss(log_softmax(x), labels) is cross_entropy(x, labels). Means and errors as in
/// cross_entropy().
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& labels, const NLLLossOptions& options = {});

}  // namespace hop
