// Writes in place. They are never recorded, so they are for NoGradGuard scopes (initialisation, running statistics,
// optimizers) and for tensors without gradients. Each bumps the version of `y`, so that a graph that saved `y` notices.
//
// All throw AutogradError while gradients are recorded and `y` or the operand requires one; ShapeError when the operand
// does not broadcast to y. Operands are converted to y's dtype. All return y.
#pragma once

#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop {

const Tensor& copy_(const Tensor& y, const Tensor& x);
const Tensor& fill_(const Tensor& y, Scalar value);
const Tensor& zero_(const Tensor& y);
/// y += alpha * x
const Tensor& add_(const Tensor& y, const Tensor& x, double alpha = 1);
/// y += value
const Tensor& add_(const Tensor& y, Scalar value);
const Tensor& mul_(const Tensor& y, const Tensor& x);
const Tensor& mul_(const Tensor& y, Scalar value);
/// y += weight * (end - y): running averages.
const Tensor& lerp_(const Tensor& y, const Tensor& end, double weight);

}  // namespace hop
