#include "kernels/softmax.h"

#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/cpu/softmax_internal.h"
#include "kernels/expect_internal.h"
#include "kernels/reduce.h"

namespace hop::kernels {
namespace {

void expect_rows(const char* op, const Tensor& x) {
  expect_floating(op, x);
  if (x.dim() == 0 || x.shape().back() == 0)
    throw ShapeError("[" + std::string(op) + "] expected x (.., C) with C > 0, got " + x.shape().to_string());
}

using Map = void(const Tensor& x, const Tensor& y);
Tensor run(const char* op, Map* map, const Tensor& x) {
  expect_rows(op, x);
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  if (y.numel() != 0) map(contiguous(x), y);
  return y;
}

using Gradient = void(const Tensor& g, const Tensor& y, const Tensor& dx);
Tensor run(const char* op, Gradient* gradient, const Tensor& g, const Tensor& y) {
  expect_rows(op, y);
  expect_floating(op, {&g, &y});
  expect_shape(op, "g", g, y.shape());
  const Tensor dx = Tensor::empty(y.shape(), y.dtype());
  if (dx.numel() != 0) gradient(contiguous(g), contiguous(y), dx);
  return dx;
}

/// Checks labels for x (N, C) and makes them contiguous.
Tensor checked_labels(const char* op, const Tensor& labels, const Shape& x) {
  const std::string prefix = "[" + std::string(op) + "] expected ";
  expect_cpu(op, labels);
  if (labels.dtype() != DType::i64) throw DtypeError(prefix + "labels of i64, got " + labels.describe());
  expect_shape(op, "labels", labels, {x[0]});
  const Tensor dense = contiguous(labels);
  for (std::int64_t i = 0; i < x[0]; ++i) {
    const std::int64_t label = dense.data<std::int64_t>()[i];
    if (label < 0 || label >= x[1]) {
      throw IndexError(prefix + "labels in 0.." + std::to_string(x[1] - 1) + ", got " + std::to_string(label) +
                       " in row " + std::to_string(i));
    }
  }
  return dense;
}

void expect_matrix(const char* op, const Tensor& x) {
  if (x.dim() != 2) throw ShapeError("[" + std::string(op) + "] expected x (N, C), got " + x.shape().to_string());
}

}  // namespace

Tensor softmax(const Tensor& x) { return run("softmax", cpu::softmax, x); }
Tensor softmax_grad(const Tensor& g, const Tensor& y) { return run("softmax gradient", cpu::softmax_grad, g, y); }
Tensor log_softmax(const Tensor& x) { return run("log_softmax", cpu::log_softmax, x); }
Tensor log_softmax_grad(const Tensor& g, const Tensor& y) {
  return run("log_softmax gradient", cpu::log_softmax_grad, g, y);
}

CrossEntropyResult cross_entropy(const Tensor& x, const Tensor& labels) {
  expect_floating("cross_entropy", x);
  expect_matrix("cross_entropy", x);
  const Tensor dense = checked_labels("cross_entropy", labels, x.shape());
  const Tensor log_probabilities = run("cross_entropy", cpu::log_softmax, x);
  const Tensor losses = Tensor::empty({x.shape()[0]}, x.dtype());
  if (losses.numel() != 0) cpu::pick_losses(log_probabilities, dense, losses);
  return {mean(losses), log_probabilities};
}

Tensor cross_entropy_grad(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels) {
  constexpr const char* kOp = "cross_entropy gradient";
  expect_floating(kOp, {&g, &log_probabilities});
  expect_shape(kOp, "g", g, {});
  expect_matrix(kOp, log_probabilities);
  const Tensor dense = checked_labels(kOp, labels, log_probabilities.shape());
  const Tensor dx = Tensor::empty(log_probabilities.shape(), log_probabilities.dtype());
  if (dx.numel() != 0) cpu::cross_entropy_grad(g, contiguous(log_probabilities), dense, dx);
  return dx;
}

}  // namespace hop::kernels
