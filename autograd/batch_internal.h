// Inputs without a batch dimension, as PyTorch's functions and layers of images take them: (C, H, W) beside (N, C, H,
// W).
#pragma once

#include <utility>

#include "autograd/pool.h"
#include "autograd/view.h"
#include "tensor/tensor.h"

namespace hop::autograd {

/// Whether x lacks the batch dimension of an operation on tensors of `dims` dimensions.
inline bool lacks_batch(const Tensor& x, int dims) { return x.defined() && x.dim() == dims - 1; }

/// x as a batch of one, and the result of a batch of one without its batch.
inline Tensor with_batch_of_one(const Tensor& x) { return unsqueeze(x, 0); }
inline Tensor without_batch(const Tensor& y) { return squeeze(y, 0); }
inline PooledMaxima without_batch(const PooledMaxima& y) { return {squeeze(y.values, 0), squeeze(y.indices, 0)}; }

/// f(x), where f takes tensors of `dims` dimensions, the first of which is a batch. An x without a batch is one of one.
template <class F>
auto batched(const Tensor& x, int dims, F&& f) {
  if (!lacks_batch(x, dims)) return f(x);
  return without_batch(std::forward<F>(f)(with_batch_of_one(x)));
}

}  // namespace hop::autograd
