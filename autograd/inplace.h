// Writes in place. They are never recorded, so they are for NoGradGuard scopes (initialisation, running statistics,
// optimizers) and for tensors without gradients. Each bumps the version of `y`, so that a graph that saved `y` notices.
//
// All throw AutogradError while gradients are recorded and `y` or the operand requires one; ShapeError when the operand
// does not broadcast to y. All return y. copy_ and fill_ convert to y's dtype. The others compute as the operation
// without the underscore does (integers in integers, exactly, and wrapping around), and throw DtypeError where its
// result is of a higher category than y: a fraction is never added to integers, as in PyTorch.
#pragma once

#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop {

const Tensor& copy_(const Tensor& y, const Tensor& x);
const Tensor& fill_(const Tensor& y, Scalar value);
const Tensor& zero_(const Tensor& y);
/// y += alpha * x. Integers want an integer alpha.
const Tensor& add_(const Tensor& y, const Tensor& x, Scalar alpha = 1);
/// y += value
const Tensor& add_(const Tensor& y, Scalar value);
const Tensor& mul_(const Tensor& y, const Tensor& x);
const Tensor& mul_(const Tensor& y, Scalar value);
/// y += weight * (end - y), running averages; from weight 0.5 on y = end - (1 - weight) (end - y), so that weight 1
/// gives `end` whatever y was (torch.lerp). y and end floating: DtypeError.
const Tensor& lerp_(const Tensor& y, const Tensor& end, double weight);

}  // namespace hop
