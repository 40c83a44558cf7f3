// Softmax, cross-entropy and its gradient in one pass, for training.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels::cuda {

/// loss () = mean of -log_softmax(x)[label] over the rows, dx = g / N * (softmax(x) - one_hot(labels)). x, dx (N, C)
/// contiguous f32 or f64, N C > 0; dx may be x itself. labels (N) i64; a label outside 0..C-1 makes the loss NaN, its
/// row of dx has no one_hot term, and the next synchronize() throws IndexError. g () of x's dtype is read when the
/// kernel runs; an undefined g counts as 1. All on the current device. The bits are those of cross_entropy and
/// cross_entropy_grad. Floor: one read and one write of x; the separate operations take two of each.
void cross_entropy_fused(const Tensor& x, const Tensor& labels, const Tensor& g, const Tensor& loss, const Tensor& dx);

}  // namespace hop::kernels::cuda
