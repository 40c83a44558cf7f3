#include "kernels/softmax.h"

#include <limits>
#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/half_internal.h"
#include "kernels/softmax_operations.h"

namespace hop::kernels {
namespace {

/// x as devices read it: contiguous; x () becomes a row of one value.
Tensor as_rows(const Tensor& x) { return x.dim() == 0 ? x.as_strided({1}, {1}, x.storage_offset()) : contiguous(x); }

using Map = void (*SoftmaxOperations::*)(const Tensor& x, const Tensor& y);
Tensor run(const char* op, Map map, const Tensor& x) {
  expect_any_floating(op, x);
  if (is_half(x)) return narrowed(op, run(op, map, widened(x)), x.dtype());
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  if (y.numel() != 0) (operations<SoftmaxOperations>(x).*map)(as_rows(x), as_rows(y));
  return y;
}

using Gradient = void (*SoftmaxOperations::*)(const Tensor& g, const Tensor& y, const Tensor& dx);
Tensor run(const char* op, Gradient gradient, const Tensor& g, const Tensor& y) {
  expect_any_floating(op, {&g, &y});
  expect_shape(op, "g", g, y.shape());
  if (is_half(y)) return narrowed(op, run(op, gradient, widened(g), widened(y)), y.dtype());
  const Tensor dx = Tensor::empty(y.shape(), y.dtype(), y.device());
  if (dx.numel() != 0) (operations<SoftmaxOperations>(y).*gradient)(as_rows(g), as_rows(y), as_rows(dx));
  return dx;
}

/// The labels of x (N, C), contiguous. The code that reads their values checks them.
Tensor dense_labels(const char* op, const Tensor& labels, const Tensor& x) {
  expect_same_device(op, {&x, &labels});
  if (labels.dtype() != DType::i64) {
    throw DtypeError("[" + std::string(op) + "] expected labels of i64, got " + labels.describe());
  }
  expect_shape(op, "labels", labels, {x.shape()[0]});
  return contiguous(labels);
}

void expect_matrix(const char* op, const Tensor& x) {
  if (x.dim() != 2 || x.shape()[1] == 0)
    throw ShapeError("[" + std::string(op) + "] expected x (N, C) with C > 0, got " + x.shape().to_string());
}

/// Checks the arguments of cross_entropy(). Returns the labels, contiguous.
Tensor labels_of_logits(const Tensor& x, const Tensor& labels) {
  expect_floating("cross_entropy", x);
  expect_matrix("cross_entropy", x);
  return dense_labels("cross_entropy", labels, x);
}

void set_loss_of_no_rows(const Tensor& loss) { fill_(loss, std::numeric_limits<double>::quiet_NaN()); }

}  // namespace

Tensor softmax(const Tensor& x) { return run("softmax", &SoftmaxOperations::softmax, x); }
Tensor softmax_grad(const Tensor& g, const Tensor& y) {
  return run("softmax gradient", &SoftmaxOperations::softmax_grad, g, y);
}
Tensor log_softmax(const Tensor& x) { return run("log_softmax", &SoftmaxOperations::log_softmax, x); }
Tensor log_softmax_grad(const Tensor& g, const Tensor& y) {
  return run("log_softmax gradient", &SoftmaxOperations::log_softmax_grad, g, y);
}

CrossEntropyResult cross_entropy(const Tensor& x, const Tensor& labels) {
  if (is_half(x)) {
    const CrossEntropyResult wide = cross_entropy(widened(x), labels);
    return {narrowed("cross_entropy", wide.loss, x.dtype()),
            narrowed("cross_entropy", wide.log_probabilities, x.dtype())};
  }
  const Tensor dense = labels_of_logits(x, labels);
  const CrossEntropyResult result{Tensor::empty({}, x.dtype(), x.device()),
                                  Tensor::empty(x.shape(), x.dtype(), x.device())};
  if (x.numel() != 0)
    operations<SoftmaxOperations>(x).cross_entropy(contiguous(x), dense, result.log_probabilities, result.loss);
  else
    set_loss_of_no_rows(result.loss);
  return result;
}

Tensor cross_entropy_grad(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels) {
  constexpr const char* kOp = "cross_entropy gradient";
  if (any_half(g, log_probabilities)) {
    const Tensor dx = cross_entropy_grad(widened(g), widened(log_probabilities), labels);
    return narrowed(kOp, dx, log_probabilities.dtype());
  }
  expect_floating(kOp, {&g, &log_probabilities});
  expect_shape(kOp, "g", g, {});
  expect_matrix(kOp, log_probabilities);
  const Tensor dense = dense_labels(kOp, labels, log_probabilities);
  const Tensor dx = Tensor::empty(log_probabilities.shape(), log_probabilities.dtype(), log_probabilities.device());
  if (dx.numel() != 0) operations<SoftmaxOperations>(g).cross_entropy_grad(g, contiguous(log_probabilities), dense, dx);
  return dx;
}

std::optional<FusedCrossEntropy> cross_entropy_fused(const Tensor& x, const Tensor& labels) {
  expect_defined("cross_entropy", x);
  if (is_half(x)) {
    const auto wide = cross_entropy_fused(widened(x), labels);
    if (!wide) return std::nullopt;
    return FusedCrossEntropy{narrowed("cross_entropy", wide->loss, x.dtype()),
                             narrowed("cross_entropy", wide->dx, x.dtype())};
  }
  const auto compute = operations<SoftmaxOperations>(x).cross_entropy_fused;
  if (compute == nullptr) return std::nullopt;
  const Tensor dense = labels_of_logits(x, labels);
  const FusedCrossEntropy result{Tensor::empty({}, x.dtype(), x.device()),
                                 Tensor::empty(x.shape(), x.dtype(), x.device())};
  if (x.numel() != 0)
    compute(contiguous(x), dense, result.loss, result.dx);
  else
    set_loss_of_no_rows(result.loss);
  return result;
}

}  // namespace hop::kernels
