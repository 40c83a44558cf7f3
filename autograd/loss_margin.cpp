// Kinks have PyTorch's gradients: that of clamp(x, 0) is 1 at 0, that of relu(x) is 0.
#include "autograd/loss_margin.h"

#include <initializer_list>
#include <string>

#include "autograd/elementwise.h"
#include "autograd/index_internal.h"
#include "autograd/loss_internal.h"
#include "autograd/masks.h"
#include "autograd/products.h"
#include "autograd/summaries.h"
#include "autograd/view.h"
#include "kernels/copy.h"
#include "kernels/view.h"

namespace hop {

using autograd::any_half;
using autograd::expect_equal_shapes;
using autograd::expected;
using autograd::gather_for;
using autograd::in_f32;
using autograd::reduced;
using autograd::rounded_like;

namespace {

/// All are defined, floating except for targets, and have equal numbers of dimensions.
void expect_equal_ranks(const char* op, std::initializer_list<const Tensor*> operands) {
  for (const Tensor* x : operands) kernels::expect_defined(op, *x);
  const Tensor& first = **operands.begin();
  for (const Tensor* x : operands) {
    if (x->dim() == first.dim()) continue;
    throw ShapeError(expected(op) + "equal numbers of dimensions, got " + first.shape().to_string() + " and " +
                     x->shape().to_string());
  }
}

/// The number of classes C of x (N, C), (C), or () for one class; C > 0. x is floating.
std::int64_t classes_of(const char* op, const Tensor& x) {
  kernels::expect_floating(op, x);
  if (x.dim() == 0) return 1;
  if (x.dim() <= 2 && x.size(-1) > 0) return x.size(-1);
  throw ShapeError(expected(op) + "x (N, C), (C) or () with C > 0, got " + x.shape().to_string());
}

void expect_labels(const char* op, const Tensor& x, const Tensor& labels, const Shape& shape) {
  if (labels.shape() != shape) {
    throw ShapeError(expected(op) + "labels " + shape.to_string() + " for x " + x.shape().to_string() + ", got " +
                     labels.shape().to_string());
  }
  if (labels.dtype() != DType::i64) throw DtypeError(expected(op) + "labels of i64, got " + labels.describe());
}

/// x (N, C), from (N, C), (C) or ().
Tensor as_rows(const Tensor& x) { return x.dim() == 2 ? x : reshape(x, {1, x.numel()}); }

/// Losses (N) of rows; of one row without a batch, ().
Tensor reduced_rows(const char* op, const Tensor& losses, bool is_row, Reduction reduction) {
  return reduced(op, is_row ? squeeze(losses, 0) : losses, reduction);
}

Tensor triplet_loss(const char* op, const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                    const TripletMarginWithDistanceLossOptions& options) {
  expect_equal_ranks(op, {&anchor, &positive, &negative});
  if (any_half(anchor, positive, negative)) {
    const Tensor loss = triplet_loss(op, in_f32(anchor), in_f32(positive), in_f32(negative), options);
    return rounded_like(loss, anchor, positive, negative);
  }
  const auto& distance = options.distance_function;
  const Tensor far = distance(anchor, negative);
  const Tensor nearest = options.swap ? minimum(far, distance(positive, negative)) : far;
  return reduced(op, clamp(distance(anchor, positive) - nearest + options.margin, 0), options.reduction);
}

}  // namespace

// Beyond 40, softplus(x) is x in f64, too.
Tensor soft_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  expect_equal_shapes("soft_margin_loss", x, target);
  if (any_half(x, target)) return rounded_like(soft_margin_loss(in_f32(x), in_f32(target), reduction), x, target);
  return reduced("soft_margin_loss", softplus(-target * x, 1, 40), reduction);
}

Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, const HingeEmbeddingLossOptions& options) {
  constexpr const char* kOp = "hinge_embedding_loss";
  expect_equal_shapes(kOp, x, target);
  if (any_half(x)) return rounded_like(hinge_embedding_loss(in_f32(x), target, options), x);
  kernels::expect_floating(kOp, x);
  const Tensor of_far = where(kernels::ne(target, 1), relu(options.margin - x), 0.0);
  return reduced(kOp, of_far + where(kernels::ne(target, -1), x, 0.0), options.reduction);
}

Tensor multi_margin_loss(const Tensor& x, const Tensor& labels, const MultiMarginLossOptions& options) {
  constexpr const char* kOp = "multi_margin_loss";
  kernels::expect_defined(kOp, labels);
  if (any_half(x)) return rounded_like(multi_margin_loss(in_f32(x), labels, options), x);
  const std::int64_t classes = classes_of(kOp, x);
  const bool is_row = x.dim() < 2;
  expect_labels(kOp, x, labels, is_row ? Shape{} : Shape{x.size(0)});
  if (options.p != 1 && options.p != 2) {
    throw ConfigError(expected(kOp) + "a p of 1 or 2, got " + std::to_string(options.p));
  }
  if (options.weight.defined() && options.weight.shape() != Shape{classes}) {
    throw ShapeError(expected(kOp) + "a weight for each of " + std::to_string(classes) + " classes, got " +
                     options.weight.shape().to_string());
  }
  const Tensor rows = as_rows(x), label = reshape(labels, {labels.numel(), 1});
  const Tensor is_label = kernels::eq(kernels::arange(classes, DType::i64, x.device()), label);
  const Tensor excess = where(is_label, 0.0, relu(options.margin - gather_for(kOp, rows, 1, label) + rows));
  Tensor losses = sum(options.p == 1 ? excess : square(excess), {1}) / classes;
  if (options.weight.defined()) {
    losses =
        losses * autograd::index_select_for(kOp, to(options.weight, x.dtype()), 0, reshape(label, {label.numel()}));
  }
  return reduced_rows(kOp, losses, is_row, options.reduction);
}

Tensor multilabel_margin_loss(const Tensor& x, const Tensor& labels, Reduction reduction) {
  constexpr const char* kOp = "multilabel_margin_loss";
  kernels::expect_defined(kOp, labels);
  if (any_half(x)) return rounded_like(multilabel_margin_loss(in_f32(x), labels, reduction), x);
  const std::int64_t classes = classes_of(kOp, x);
  const bool is_row = x.dim() < 2;
  expect_labels(kOp, x, labels, x.shape());
  const Tensor rows = as_rows(x), given = as_rows(labels);
  const Tensor counts = kernels::eq(cumsum(kernels::lt(given, 0), 1), 0);  // (N, C): no negative number up to here
  const Tensor label = kernels::where(counts, given, std::int64_t{0});
  const Tensor column = kernels::unsqueeze(counts, 2);  // (N, L, 1)
  const Tensor hits = kernels::logical_and(
      column, kernels::eq(kernels::arange(classes, DType::i64, x.device()), kernels::unsqueeze(label, 2)));
  const Tensor is_label = any(hits, {1}, true);  // (N, 1, C)
  const Tensor pairs = kernels::logical_and(column, kernels::logical_not(is_label));
  const Tensor excess = relu(1 - unsqueeze(gather_for(kOp, rows, 1, label), 2) + unsqueeze(rows, 1));
  const Tensor losses = sum(where(pairs, excess, 0.0), {1, 2}) / classes;
  return reduced_rows(kOp, losses, is_row, reduction);
}

Tensor multilabel_soft_margin_loss(const Tensor& x, const Tensor& target,
                                   const MultilabelSoftMarginLossOptions& options) {
  constexpr const char* kOp = "multilabel_soft_margin_loss";
  expect_equal_shapes(kOp, x, target);
  autograd::existing_dim(kOp, x, -1);
  if (any_half(x, target))
    return rounded_like(multilabel_soft_margin_loss(in_f32(x), in_f32(target), options), x, target);
  const Tensor losses = -(target * logsigmoid(x) + (1 - to(target, x.dtype())) * logsigmoid(-x));
  return reduced(kOp, mean(autograd::weighted(kOp, losses, options.weight), {-1}), options.reduction);
}

Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& target, const MarginLossOptions& options) {
  constexpr const char* kOp = "margin_ranking_loss";
  expect_equal_ranks(kOp, {&a, &b, &target});
  if (any_half(a, b, target))
    return rounded_like(margin_ranking_loss(in_f32(a), in_f32(b), in_f32(target), options), a, b, target);
  return reduced(kOp, clamp(options.margin - target * (a - b), 0), options.reduction);
}

Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target, const MarginLossOptions& options) {
  constexpr const char* kOp = "cosine_embedding_loss";
  constexpr double kEps = 1e-12;
  expect_equal_shapes(kOp, a, b);
  kernels::expect_defined(kOp, target);
  if (any_half(a, b)) return rounded_like(cosine_embedding_loss(in_f32(a), in_f32(b), target, options), a, b);
  const bool is_row = a.dim() == 1;
  if ((a.dim() != 2 && !is_row) || target.shape() != (is_row ? Shape{} : Shape{a.size(0)})) {
    throw ShapeError(expected(kOp) + "a and b (N, D) and targets (N), or (D) and (), got " + a.shape().to_string() +
                     " and " + target.shape().to_string());
  }
  const auto squares = [](const Tensor& x) { return sum(square(x), {-1}) + kEps; };
  const Tensor cosine = sum(a * b, {-1}) / sqrt(squares(a) * squares(b));
  const Tensor near = where(kernels::eq(target, 1), 1 - cosine, 0.0);
  const Tensor far = where(kernels::eq(target, -1), clamp(cosine - options.margin, 0), 0.0);
  return reduced(kOp, near + far, options.reduction);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginLossOptions& options) {
  const auto distance = [&](const Tensor& a, const Tensor& b) {
    return pairwise_distance(a, b, options.p, options.eps);
  };
  return triplet_loss("triplet_margin_loss", anchor, positive, negative,
                      {distance, options.margin, options.swap, options.reduction});
}

Tensor triplet_margin_with_distance_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                         const TripletMarginWithDistanceLossOptions& options) {
  constexpr const char* kOp = "triplet_margin_with_distance_loss";
  if (options.distance_function) return triplet_loss(kOp, anchor, positive, negative, options);
  const auto distance = [](const Tensor& a, const Tensor& b) { return pairwise_distance(a, b); };
  return triplet_loss(kOp, anchor, positive, negative, {distance, options.margin, options.swap, options.reduction});
}

}  // namespace hop
