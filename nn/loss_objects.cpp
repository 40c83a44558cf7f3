#include "nn/loss_objects.h"

#include <string>

#include "autograd/loss_internal.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/expect_internal.h"

namespace hop::nn {
namespace {

// The target in the output's shape and dtype.
Tensor like(const Tensor& output, const Tensor& target, const char* loss) {
  kernels::expect_defined(loss, output);
  kernels::expect_defined(loss, target);
  const bool is_column = output.dim() == target.dim() + 1 && output.size(-1) == 1;
  const Tensor y = is_column ? unsqueeze(target, -1) : target;
  if (y.shape() != output.shape()) {
    throw ShapeError("[" + std::string(loss) + "] expected targets like the outputs " + output.shape().to_string() +
                     ", got " + target.shape().to_string());
  }
  return to(y, output.dtype());
}

/// `loss` with the losses of the elements left as they are.
template <class Loss>
Tensor unreduced(Loss loss, const Tensor& x, const Tensor& y) {
  loss.reduction = Reduction::none;
  return loss(x, y);
}

}  // namespace

Tensor CrossEntropyLoss::operator()(const Tensor& logits, const Tensor& target) const {
  return cross_entropy(
      logits, target,
      {.weight = weight, .ignore_index = ignore_index, .reduction = reduction, .label_smoothing = label_smoothing});
}

Tensor NLLLoss::operator()(const Tensor& log_probabilities, const Tensor& labels) const {
  return nll_loss(log_probabilities, labels, {.weight = weight, .ignore_index = ignore_index, .reduction = reduction});
}

Tensor MultiMarginLoss::operator()(const Tensor& x, const Tensor& labels) const {
  return multi_margin_loss(x, labels, {.p = p, .margin = margin, .weight = weight, .reduction = reduction});
}

Tensor MultiLabelMarginLoss::operator()(const Tensor& x, const Tensor& labels) const {
  return multilabel_margin_loss(x, labels, reduction);
}

Tensor CTCLoss::operator()(const Tensor& log_probabilities, const Tensor& targets, const Tensor& input_lengths,
                           const Tensor& target_lengths) const {
  return ctc_loss(log_probabilities, targets, input_lengths, target_lengths,
                  {.blank = blank, .reduction = reduction, .zero_infinity = zero_infinity});
}

Tensor BCELoss::operator()(const Tensor& probabilities, const Tensor& target) const {
  return binary_cross_entropy(probabilities, like(probabilities, target, "binary_cross_entropy"),
                              {.weight = weight, .reduction = reduction});
}

Tensor BCEWithLogitsLoss::operator()(const Tensor& logits, const Tensor& target) const {
  return binary_cross_entropy_with_logits(logits, like(logits, target, "bce"),
                                          {.weight = weight, .reduction = reduction, .pos_weight = pos_weight});
}

Tensor BCEWithLogitsLoss::each(const Tensor& logits, const Tensor& target) const {
  return unreduced(*this, logits, target);
}

Tensor MultiLabelSoftMarginLoss::operator()(const Tensor& logits, const Tensor& target) const {
  return multilabel_soft_margin_loss(logits, like(logits, target, "multilabel_soft_margin_loss"),
                                     {.weight = weight, .reduction = reduction});
}

Tensor KLDivLoss::operator()(const Tensor& log_probabilities, const Tensor& target) const {
  return kl_div(log_probabilities, like(log_probabilities, target, "kl_div"),
                {.reduction = reduction, .log_target = log_target});
}

Tensor SoftMarginLoss::operator()(const Tensor& x, const Tensor& target) const {
  return soft_margin_loss(x, like(x, target, "soft_margin_loss"), reduction);
}

Tensor HingeEmbeddingLoss::operator()(const Tensor& x, const Tensor& target) const {
  return hinge_embedding_loss(x, like(x, target, "hinge_embedding_loss"), {.margin = margin, .reduction = reduction});
}

Tensor MSELoss::operator()(const Tensor& x, const Tensor& y) const {
  return mse_loss(x, like(x, y, "mse"), {.reduction = reduction});
}

Tensor MSELoss::each(const Tensor& x, const Tensor& y) const { return unreduced(*this, x, y); }

Tensor L1Loss::operator()(const Tensor& x, const Tensor& y) const {
  return l1_loss(x, like(x, y, "mae"), {.reduction = reduction});
}

Tensor L1Loss::each(const Tensor& x, const Tensor& y) const { return unreduced(*this, x, y); }

Tensor SmoothL1Loss::operator()(const Tensor& x, const Tensor& y) const {
  return smooth_l1_loss(x, like(x, y, "smooth_l1_loss"), {.reduction = reduction, .beta = beta});
}

Tensor HuberLoss::operator()(const Tensor& x, const Tensor& y) const {
  return huber_loss(x, like(x, y, "huber"), {.reduction = reduction, .delta = delta});
}

Tensor HuberLoss::each(const Tensor& x, const Tensor& y) const { return unreduced(*this, x, y); }

Tensor PoissonNLLLoss::operator()(const Tensor& x, const Tensor& y) const {
  return poisson_nll_loss(x, like(x, y, "poisson_nll"),
                          {.log_input = log_input, .full = full, .eps = eps, .reduction = reduction});
}

Tensor PoissonNLLLoss::each(const Tensor& x, const Tensor& y) const { return unreduced(*this, x, y); }

Tensor GaussianNLLLoss::operator()(const Tensor& x, const Tensor& y, const Tensor& var) const {
  return gaussian_nll_loss(x, like(x, y, "gaussian_nll_loss"), var, {.full = full, .eps = eps, .reduction = reduction});
}

Tensor QuantileLoss::operator()(const Tensor& x, const Tensor& y) const {
  if (autograd::any_half(x))
    return autograd::rounded_like((*this)(autograd::in_f32(x), autograd::in_f32(like(x, y, "quantile"))), x);
  return autograd::reduced("quantile", each(x, y), reduction);
}

Tensor QuantileLoss::each(const Tensor& x, const Tensor& y) const {
  if (!(quantile > 0 && quantile < 1)) {
    throw ConfigError("[quantile] expected a quantile between 0 and 1, got " + shortest(quantile));
  }
  if (autograd::any_half(x))
    return autograd::rounded_like(each(autograd::in_f32(x), autograd::in_f32(like(x, y, "quantile"))), x);
  const Tensor error = like(x, y, "quantile") - x;
  return maximum(error * quantile, error * (quantile - 1));
}

Tensor MarginRankingLoss::operator()(const Tensor& a, const Tensor& b, const Tensor& target) const {
  return margin_ranking_loss(a, b, target, {.margin = margin, .reduction = reduction});
}

Tensor CosineEmbeddingLoss::operator()(const Tensor& a, const Tensor& b, const Tensor& target) const {
  return cosine_embedding_loss(a, b, target, {.margin = margin, .reduction = reduction});
}

Tensor TripletMarginLoss::operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const {
  return triplet_margin_loss(anchor, positive, negative,
                             {.margin = margin, .p = p, .eps = eps, .swap = swap, .reduction = reduction});
}

Tensor TripletMarginWithDistanceLoss::operator()(const Tensor& anchor, const Tensor& positive,
                                                 const Tensor& negative) const {
  return triplet_margin_with_distance_loss(
      anchor, positive, negative,
      {.distance_function = distance_function, .margin = margin, .swap = swap, .reduction = reduction});
}

Tensor CosineSimilarity::operator()(const Tensor& a, const Tensor& b) const {
  return cosine_similarity(a, b, dim, eps);
}

Tensor PairwiseDistance::operator()(const Tensor& a, const Tensor& b) const {
  return pairwise_distance(a, b, p, eps, keepdim);
}

}  // namespace hop::nn
