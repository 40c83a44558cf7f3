#include "autograd/loss.h"

#include <string>

#include "autograd/elementwise.h"
#include "autograd/index_internal.h"
#include "autograd/loss_internal.h"
#include "autograd/matmul.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/softmax.h"
#include "autograd/view.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/index.h"
#include "kernels/softmax.h"

namespace hop {

using autograd::any_half;
using autograd::BackwardContext;
using autograd::expected;
using autograd::in_f32;
using autograd::is_recorded;
using autograd::record;
using autograd::reduced;
using autograd::rounded_like;
using autograd::save;
using autograd::SavedTensor;

namespace {

Tensor one_hot(const Tensor& labels, const Shape& shape, DType dtype) {
  const Tensor column = kernels::contiguous(labels);
  const Tensor index = column.as_strided({labels.numel(), 1}, {1, 1}, column.storage_offset());
  return kernels::scatter_add(shape, 1, index, kernels::ones(index.shape(), dtype, index.device()), "cross_entropy");
}

/// g / N * (softmax(x) - one_hot(labels)), of operations that are recorded in turn.
Tensor recorded_gradient(const Tensor& g, const Tensor& logp, const Tensor& labels) {
  return (exp(logp) - one_hot(labels, logp.shape(), logp.dtype())) * (g / logp.size(0));
}

// The log probabilities are a second, hidden output. Under create_graph the gradient is a function of them, so the
// gradient of the log probabilities arrives here, too.
void cross_entropy_backward(BackwardContext& context, const Tensor& log_probabilities, const Tensor& labels) {
  const Tensor& g = context.grad(0);
  const Tensor& g_log = context.grad(1);
  const Tensor& logp = log_probabilities;
  Tensor dx;
  if (g.defined() && !is_grad_enabled()) dx = kernels::cross_entropy_grad(g, logp, labels);
  if (g.defined() && is_grad_enabled()) dx = recorded_gradient(g, logp, labels);
  if (g_log.defined()) {
    const Tensor more = g_log - exp(logp) * sum(g_log, {-1}, true);
    dx = dx.defined() ? dx + more : more;
  }
  context.set(0, dx);
}

// The slope, which is the gradient for g = 1, was computed with the loss. If the loss is the start of the pass, nothing
// is left to do. Under create_graph, the gradient must be a function of x, so it is computed from x again.
Tensor record_fused(kernels::FusedCrossEntropy result, const Tensor& x, const Tensor& labels) {
  return record("cross_entropy", std::move(result.loss), {x},
                [slope = save(result.dx), saved_x = save(x), saved_labels = save(labels)](BackwardContext& c) {
                  if (is_grad_enabled()) {
                    const Tensor logp = log_softmax(c.value(saved_x));
                    return c.set(0, recorded_gradient(c.grad(), logp, c.value(saved_labels)));
                  }
                  c.set(0, c.grad_is_one() ? c.value(slope) : c.value(slope) * c.grad());
                });
}

/// The fused mean: x (N, C), labels (N).
Tensor mean_cross_entropy(const Tensor& x, const Tensor& labels) {
  if (is_recorded(x)) {
    if (auto fused = kernels::cross_entropy_fused(x, labels)) return record_fused(*std::move(fused), x, labels);
  }
  kernels::CrossEntropyResult result = kernels::cross_entropy(x, labels);
  if (!is_recorded(x)) return result.loss;
  auto node = autograd::record_node(
      "cross_entropy", 2, std::span(&x, 1),
      [saved = SavedTensor::output(result.log_probabilities, 1), saved_labels = save(labels)](BackwardContext& c) {
        cross_entropy_backward(c, c.value(saved), c.value(saved_labels));
      });
  return attach(std::move(result.loss), node);
}

// ---- the same with options

/// x (N, C) or (N, C, d..) or (C), floating, with C > 0; the weight, if any, is (C).
void expect_classes(const char* op, const Tensor& x, const Tensor& weight) {
  kernels::expect_floating(op, x);
  if (x.dim() == 0 || x.size(x.dim() == 1 ? 0 : 1) == 0) {
    throw ShapeError(expected(op) + "x (N, C), (N, C, d..) or (C) with C > 0, got " + x.shape().to_string());
  }
  const std::int64_t classes = x.size(x.dim() == 1 ? 0 : 1);
  if (weight.defined() && weight.shape() != Shape{classes}) {
    throw ShapeError(expected(op) + "a weight for each of " + std::to_string(classes) + " classes, got " +
                     weight.shape().to_string());
  }
}

/// The shape of the labels: (N, C, d..) -> (N, d..).
Shape without_classes(const Shape& x) {
  Shape shape;
  for (int i = 0; i < x.size(); ++i) {
    if (i != 1 && x.size() > 1) shape.push_back(x[i]);
  }
  return shape;
}

void expect_labels(const char* op, const Tensor& x, const Tensor& labels) {
  const Shape shape = without_classes(x.shape());
  if (labels.shape() != shape) {
    throw ShapeError(expected(op) + "labels " + shape.to_string() + " for x " + x.shape().to_string() + ", got " +
                     labels.shape().to_string());
  }
  if (labels.dtype() != DType::i64) throw DtypeError(expected(op) + "labels of i64, got " + labels.describe());
}

/// (N, C, d..) -> (N d.., C), and (C) -> (1, C).
Tensor rows_of(const Tensor& x) {
  if (x.dim() == 2) return x;
  if (x.dim() == 1) return unsqueeze(x, 0);
  Dims order = {0};
  for (int i = 2; i < x.dim(); ++i) order.push_back(i);
  order.push_back(1);
  return reshape(permute(x, order), {x.numel() / x.size(1), x.size(1)});
}

Tensor factors_of(const Tensor& weight, const Tensor& rows) {
  if (weight.defined()) return to(weight, rows.dtype());
  return ones({rows.size(1)}, {.dtype = rows.dtype(), .device = rows.device()});
}

/// Labels as one row each, some of which may not count.
class Labels {
 public:
  Labels(const char* op, const Tensor& labels, const std::optional<std::int64_t>& ignore_index)
      : op_(op), shape_(labels.shape()), labels_(reshape(labels, {labels.numel()})) {
    if (!ignore_index) return;
    counts_ = ne(labels_, *ignore_index);
    labels_ = where(counts_, labels_, std::int64_t{0});
  }

  /// (R, C) -> (R): the value of the label.
  Tensor of(const Tensor& values) const {
    return squeeze(autograd::gather_for(op_, values, 1, unsqueeze(labels_, 1)), 1);
  }

  /// Of losses (R). A mean divides by the sum of the rows' weights: those of their classes, and 0 for ignored rows.
  Tensor reduce(const Tensor& losses, const Tensor& factors, Reduction reduction) const {
    const Tensor counted = only_counted(losses);
    if (reduction == Reduction::none) return reshape(counted, shape_);
    if (reduction != Reduction::mean) return reduced(op_, counted, reduction);
    const Tensor total = sum(only_counted(autograd::index_select_for(op_, factors, 0, labels_)));
    return sum(counted) / (losses.numel() == 0 ? total : where(kernels::ne(total, 0), total, 1.0));
  }

 private:
  Tensor only_counted(const Tensor& x) const { return counts_.defined() ? where(counts_, x, 0.0) : x; }

  const char* op_;
  Shape shape_;
  Tensor labels_;
  Tensor counts_;  // bool; undefined if all count
};

/// The target has x's shape.
Tensor cross_entropy_of_probabilities(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options) {
  constexpr const char* kOp = "cross_entropy";
  if (!is_floating(target.dtype())) {
    throw DtypeError(expected(kOp) + "a floating target, because it has the shape of x, got " + target.describe());
  }
  if (options.ignore_index.value_or(-1) >= 0) {
    throw ConfigError(expected(kOp) + "no ignore_index, because the targets are probabilities, got " +
                      std::to_string(*options.ignore_index));
  }
  const Tensor rows = rows_of(x), logs = log_softmax(rows, 1);
  Tensor shares = to(rows_of(target), x.dtype());
  const double smoothing = options.label_smoothing;
  if (smoothing != 0) shares = shares * (1 - smoothing) + smoothing / static_cast<double>(rows.size(1));
  const Tensor factored = options.weight.defined() ? logs * to(options.weight, x.dtype()) : logs;
  const Tensor losses = -sum(factored * shares, {1});
  if (options.reduction != Reduction::none) return reduced(kOp, losses, options.reduction);
  return reshape(losses, without_classes(x.shape()));
}

}  // namespace

Tensor cross_entropy(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options) {
  constexpr const char* kOp = "cross_entropy";
  kernels::expect_defined(kOp, x);
  kernels::expect_defined(kOp, target);
  if (any_half(x)) return rounded_like(cross_entropy(in_f32(x), target, options), x);
  const double smoothing = options.label_smoothing;
  const bool is_plain =
      !options.weight.defined() && !options.ignore_index && smoothing == 0 && options.reduction == Reduction::mean;
  if (is_plain && x.dim() == 2 && target.dim() == 1) return mean_cross_entropy(x, target);
  if (!(smoothing >= 0 && smoothing <= 1)) {
    throw ConfigError(expected(kOp) + "a label smoothing from 0 to 1, got " + shortest(smoothing));
  }
  expect_classes(kOp, x, options.weight);
  if (target.shape() == x.shape()) return cross_entropy_of_probabilities(x, target, options);
  expect_labels(kOp, x, target);
  const Tensor rows = rows_of(x);
  if (is_plain) return mean_cross_entropy(rows, reshape(target, {target.numel()}));
  const Labels labels(kOp, target, options.ignore_index);
  const Tensor factors = factors_of(options.weight, rows), losses = -log_softmax(rows, 1) * factors;
  const Tensor of_class = labels.reduce(labels.of(losses), factors, options.reduction);
  if (smoothing == 0) return of_class;
  const double each = smoothing / static_cast<double>(rows.size(1));
  return of_class * (1 - smoothing) + labels.reduce(sum(losses, {1}), factors, options.reduction) * each;
}

Tensor linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& target, const Tensor& bias,
                            const CrossEntropyOptions& options) {
  kernels::expect_defined("linear_cross_entropy", x);
  if (x.dim() != 1 && x.dim() != 2) {
    throw ShapeError(expected("linear_cross_entropy") + "x (N, features) or (features), got " + x.shape().to_string());
  }
  return cross_entropy(linear(x, weight, bias), target, options);
}

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& labels, const NLLLossOptions& options) {
  constexpr const char* kOp = "nll_loss";
  kernels::expect_defined(kOp, log_probabilities);
  kernels::expect_defined(kOp, labels);
  if (any_half(log_probabilities))
    return rounded_like(nll_loss(in_f32(log_probabilities), labels, options), log_probabilities);
  expect_classes(kOp, log_probabilities, options.weight);
  expect_labels(kOp, log_probabilities, labels);
  const Tensor rows = rows_of(log_probabilities);
  const Labels all(kOp, labels, options.ignore_index);
  const Tensor losses = -all.of(options.weight.defined() ? rows * to(options.weight, rows.dtype()) : rows);
  if (!options.weight.defined() && !options.ignore_index && options.reduction == Reduction::mean) return mean(losses);
  return all.reduce(losses, factors_of(options.weight, rows), options.reduction);
}

}  // namespace hop
