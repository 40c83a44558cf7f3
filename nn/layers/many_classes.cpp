#include "nn/layers/many_classes.h"

#include <cmath>
#include <utility>

#include "autograd/copy.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/index.h"
#include "autograd/index_internal.h"
#include "autograd/loss.h"
#include "autograd/masks.h"
#include "autograd/reduce.h"
#include "autograd/softmax.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/expect_internal.h"
#include "kernels/view.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"
#include "nn/layers/sequential.h"

namespace hop::nn {

static Tensor class_weight(const Tensor& weight, std::int64_t num_classes) {
  kernels::expect_shape("LinearCrossEntropyLoss", "weight", weight, {num_classes});
  return kernels::clone(weight);
}

LinearCrossEntropyLoss::LinearCrossEntropyLoss(std::int64_t in_features, std::int64_t num_classes,
                                               const LinearCrossEntropyLossOptions& options)
    : linear(
          register_module("linear", Linear(in_features, num_classes, {.bias = options.bias, .dtype = options.dtype}))),
      weight(options.weight.defined() ? register_buffer("weight", class_weight(options.weight, num_classes))
                                      : Buffer()),
      options_(options) {
  options_.weight = {};  // the buffer moves between devices and dtypes
}

Tensor LinearCrossEntropyLoss::operator()(const Tensor& x, const Tensor& target) {
  return with_hooks(x, [&](const Tensor& input) {
    return cross_entropy(linear(input), target,
                         {.weight = weight,
                          .ignore_index = options_.ignore_index,
                          .reduction = options_.reduction,
                          .label_smoothing = options_.label_smoothing});
  });
}

std::string LinearCrossEntropyLoss::extra_repr() const {
  return "in_features=" + std::to_string(linear.weight.size(1)) +
         ", num_classes=" + std::to_string(linear.weight.size(0)) +
         ", bias=" + detail::flag_text(linear.bias.defined());
}

namespace {

constexpr const char* kAdaptive = "AdaptiveLogSoftmaxWithLoss";
constexpr double kMostDimensions = 0x1p53;  // which f64 counts

/// The cutoffs with n_classes at the end.
std::vector<std::int64_t> checked(std::vector<std::int64_t> cutoffs, std::int64_t n_classes) {
  std::int64_t before = 0;
  bool ascend = !cutoffs.empty();
  for (const std::int64_t cutoff : cutoffs) ascend &= cutoff > std::exchange(before, cutoff);
  if (!ascend || before >= n_classes) {
    throw ConfigError("[AdaptiveLogSoftmaxWithLoss] expected cutoffs that ascend within 1.." +
                      std::to_string(n_classes - 1) + ", got " + detail::tuple_text(cutoffs));
  }
  cutoffs.push_back(n_classes);
  return cutoffs;
}

std::int64_t clusters(const std::vector<std::int64_t>& cutoffs) {
  return static_cast<std::int64_t>(cutoffs.size()) - 1;
}

ModuleList new_tail(std::int64_t in_features, const std::vector<std::int64_t>& cutoffs,
                    const AdaptiveLogSoftmaxOptions& options) {
  const LinearOptions plain{.bias = false, .dtype = options.dtype};
  ModuleList tail;
  for (std::size_t i = 0; i + 1 < cutoffs.size(); ++i) {
    const double features = static_cast<double>(in_features);
    const double divisor = std::pow(options.div_value, static_cast<double>(i + 1));
    // Python's features // divisor: 11 / 1.1 rounds to 10, but 1.1 is a little more than 11 / 10, which leaves 9.
    const double size = std::round((features - std::fmod(features, divisor)) / divisor);
    if (!(size >= 1 && size <= kMostDimensions)) {
      throw ConfigError("[AdaptiveLogSoftmaxWithLoss] expected a div_value that leaves cluster " + std::to_string(i) +
                        " 1 to 2^53 dimensions, got " + shortest(options.div_value) + " for " +
                        std::to_string(in_features) + " features");
    }
    const auto dimensions = static_cast<std::int64_t>(size);
    tail.push_back(
        Sequential(Linear(in_features, dimensions, plain), Linear(dimensions, cutoffs[i + 1] - cutoffs[i], plain)));
  }
  return tail;
}

/// In f32 for scores of 16 bits: a sum of two of them is rounded once.
Tensor log_shares(const Tensor& scores) { return log_softmax(autograd::in_f32(scores)); }

}  // namespace

AdaptiveLogSoftmaxWithLoss::AdaptiveLogSoftmaxWithLoss(std::int64_t in_features, std::int64_t n_classes,
                                                       std::vector<std::int64_t> cutoffs,
                                                       const AdaptiveLogSoftmaxOptions& options)
    : cutoffs_(checked(std::move(cutoffs), n_classes)),
      head_(register_module("head", Linear(in_features, cutoffs_[0] + clusters(cutoffs_),
                                           {.bias = options.head_bias, .dtype = options.dtype}))),
      tail_(register_module("tail", new_tail(in_features, cutoffs_, options))) {}

AdaptiveLogSoftmaxResult AdaptiveLogSoftmaxWithLoss::operator()(const Tensor& x, const Tensor& target) {
  AdaptiveLogSoftmaxResult result;
  const Tensor output = with_hooks(x, [&](const Tensor& input) {
    result = run(input, target);
    return result.output;
  });
  result.output = output;
  return result;
}

AdaptiveLogSoftmaxResult AdaptiveLogSoftmaxWithLoss::run(const Tensor& x, const Tensor& target) {
  kernels::expect_any_floating(kAdaptive, x);
  kernels::expect_same_device(kAdaptive, {&x, &target});
  const bool is_row = x.dim() == 1;
  if ((x.dim() != 2 && !is_row) || target.shape() != (is_row ? Shape{} : Shape{x.size(0)})) {
    throw ShapeError(
        "[AdaptiveLogSoftmaxWithLoss] expected x (N, in_features) and targets (N), or (in_features) and "
        "(), got " +
        x.shape().to_string() + " and " + target.shape().to_string());
  }
  if (target.dtype() != DType::i64) {
    throw DtypeError("[AdaptiveLogSoftmaxWithLoss] expected targets of i64, got " + target.describe());
  }
  const Tensor rows = is_row ? unsqueeze(x, 0) : x, labels = reshape(target, {rows.size(0)});
  Tensor choice = labels;  // of the head: the class, or the cluster that has it
  Tensor output = zeros({rows.size(0)}, widened(rows.dtype()), rows.device());
  for (std::size_t i = 0; i + 1 < cutoffs_.size(); ++i) {
    const Tensor is_here = kernels::logical_and(kernels::ge(labels, cutoffs_[i]), kernels::lt(labels, cutoffs_[i + 1]));
    choice = kernels::where(is_here, cutoffs_[0] + static_cast<std::int64_t>(i), choice);
    const Tensor places = reshape(nonzero(is_here), {-1});
    if (places.numel() == 0) continue;
    const Tensor of_classes = log_shares(tail_[i](index_select(rows, 0, places)));
    const Tensor within = kernels::sub(index_select(labels, 0, places), cutoffs_[i]);
    output = index_add(output, 0, places, reshape(gather(of_classes, 1, unsqueeze(within, 1)), {places.numel()}));
  }
  output = output +
           reshape(autograd::gather_for(kAdaptive, log_shares(head_(rows)), 1, unsqueeze(choice, 1)), {rows.size(0)});
  return {autograd::rounded_like(is_row ? reshape(output, {}) : output, x), autograd::rounded_like(-mean(output), x)};
}

Tensor AdaptiveLogSoftmaxWithLoss::log_prob(const Tensor& x) {
  kernels::expect_any_floating(kAdaptive, x);
  if (x.dim() != 2) {
    throw ShapeError("[AdaptiveLogSoftmaxWithLoss] expected x (N, in_features), got " + x.shape().to_string());
  }
  const Tensor head = log_shares(head_(x));
  std::vector<Tensor> parts = {slice(head, 1, 0, cutoffs_[0])};
  for (std::size_t i = 0; i < tail_.size(); ++i) {
    const std::int64_t cluster = cutoffs_[0] + static_cast<std::int64_t>(i);
    parts.push_back(log_shares(tail_[i](x)) + slice(head, 1, cluster, cluster + 1));
  }
  return autograd::rounded_like(cat(parts, 1), x);
}

Tensor AdaptiveLogSoftmaxWithLoss::predict(const Tensor& x) { return argmax(log_prob(x), 1); }

}  // namespace hop::nn
