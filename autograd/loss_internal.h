// Checks and pieces that the losses share.
#pragma once

#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/half_internal.h"
#include "autograd/reduce.h"
#include "autograd/reduction.h"

namespace hop::autograd {

/// Both are defined and have one shape (Error, ShapeError).
inline void expect_equal_shapes(const char* op, const Tensor& x, const Tensor& target) {
  kernels::expect_defined(op, x);
  kernels::expect_defined(op, target);
  if (x.shape() == target.shape()) return;
  throw ShapeError(expected(op) + "equal shapes, got " + x.shape().to_string() + " and " + target.shape().to_string());
}

/// A target of integers in x's dtype, so that logarithms of it have x's precision; any other target as it is.
inline Tensor floating_like(const Tensor& target, const Tensor& x) {
  return is_floating(target.dtype()) ? target : to(target, x.dtype());
}

/// The mean (NaN over no losses), the sum, or the losses themselves. Throws ConfigError for batchmean.
inline Tensor reduced(const char* op, const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return losses;
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      return sum(losses);
    case Reduction::batchmean:
      break;
  }
  throw ConfigError(expected(op) + "a reduction of none, mean or sum; batchmean belongs to kl_div");
}

/// `factor` in x's dtype. Throws ShapeError unless it broadcasts to x's shape; `what` names it.
inline Tensor factor_for(const char* op, const char* what, const Tensor& factor, const Tensor& x) {
  if (broadcast_shapes(factor.shape(), x.shape(), op) != x.shape()) {
    throw ShapeError(expected(op) + "a " + what + " that broadcasts to " + x.shape().to_string() + ", got " +
                     factor.shape().to_string());
  }
  return to(factor, x.dtype());
}

/// losses * weight, for a weight that may be undefined.
inline Tensor weighted(const char* op, const Tensor& losses, const Tensor& weight) {
  return weight.defined() ? losses * factor_for(op, "weight", weight, losses) : losses;
}

}  // namespace hop::autograd
