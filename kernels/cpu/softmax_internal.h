// Softmax on the CPU: what kernels/softmax.cpp asks for. All tensors are contiguous, floating, of one dtype and shape
// (.., C) with C > 0, and have elements.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels::cpu {

void softmax(const Tensor& x, const Tensor& y);
void softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx);
void log_softmax(const Tensor& x, const Tensor& y);
void log_softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx);
/// losses (N) = -log_probabilities (N, C) at labels (N), contiguous i64 in 0..C-1.
void pick_losses(const Tensor& log_probabilities, const Tensor& labels, const Tensor& losses);
/// dx = g / N * (exp(log_probabilities) - one_hot(labels)); g is ().
void cross_entropy_grad(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels, const Tensor& dx);

}  // namespace hop::kernels::cpu
