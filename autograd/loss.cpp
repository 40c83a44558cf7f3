#include "autograd/loss.h"

#include "autograd/elementwise.h"
#include "autograd/index.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/softmax.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/index.h"
#include "kernels/softmax.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::record;
using autograd::save;
using autograd::SavedTensor;

namespace {

Tensor one_hot(const Tensor& labels, const Shape& shape, DType dtype) {
  const Tensor column = kernels::contiguous(labels);
  const Tensor index = column.as_strided({labels.numel(), 1}, {1, 1}, column.storage_offset());
  return kernels::scatter_add(shape, 1, index, kernels::ones(index.shape(), dtype, index.device()));
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

}  // namespace

Tensor cross_entropy(const Tensor& x, const Tensor& labels) {
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

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& labels) {
  kernels::expect_defined("nll_loss", log_probabilities);
  kernels::expect_defined("nll_loss", labels);
  if (log_probabilities.dim() != 2 || labels.dim() != 1 || labels.size(0) != log_probabilities.size(0)) {
    throw ShapeError("[nll_loss] expected log probabilities (N, C) and labels (N), got " +
                     log_probabilities.shape().to_string() + " and " + labels.shape().to_string());
  }
  return -mean(gather(log_probabilities, 1, unsqueeze(labels, 1)));
}

Tensor mse_loss(const Tensor& x, const Tensor& target) {
  kernels::expect_defined("mse_loss", x);
  kernels::expect_defined("mse_loss", target);
  if (x.shape() != target.shape()) {
    throw ShapeError("[mse_loss] expected equal shapes, got " + x.shape().to_string() + " and " +
                     target.shape().to_string());
  }
  return mean(square(x - target));
}

}  // namespace hop
