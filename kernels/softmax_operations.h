// The functions that a device supplies for kernels/softmax.h. Tensors are contiguous, floating, of one dtype and shape
// (.., C), C >
// 0.
#pragma once

#include "kernels/operations_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

struct SoftmaxOperations {
  static const SoftmaxOperations cpu, cuda;

  void (*softmax)(const Tensor& x, const Tensor& y);
  void (*softmax_grad)(const Tensor& g, const Tensor& y, const Tensor& dx);
  void (*log_softmax)(const Tensor& x, const Tensor& y);
  void (*log_softmax_grad)(const Tensor& g, const Tensor& y, const Tensor& dx);
  /// x (N, C), labels (N) i64: log_probabilities (N, C) and loss () = their mean negative at the labels. A label
  /// outside 0..C-1 is an IndexError: of this call on the CPU, of the next synchronize() on other devices.
  void (*cross_entropy)(const Tensor& x, const Tensor& labels, const Tensor& log_probabilities, const Tensor& loss);
  /// dx = g / N * (exp(log_probabilities) - one_hot(labels)); g is (). Labels as above.
  void (*cross_entropy_grad)(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels, const Tensor& dx);
  /// The loss () and its gradient dx (N, C) for g = 1 in one pass over x, with the bits of the two functions above. dx
  /// may be x itself. A label out of range makes the loss NaN, and its row of dx has no one_hot term. Null if the
  /// device has no such pass.
  void (*cross_entropy_fused)(const Tensor& x, const Tensor& labels, const Tensor& loss, const Tensor& dx) = nullptr;
};

}  // namespace hop::kernels
