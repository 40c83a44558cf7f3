// Writes in place. They are never recorded: use them in NoGradGuard scopes (initialisation, running statistics,
// optimizers) and for tensors without gradients. Each bumps the version of `y`, so that a graph that saved `y` notices
// the write.
//
// All return y. All throw AutogradError if gradients are recorded and `y` or the operand requires one, and ShapeError
// if the operand does not broadcast to y. copy_ and fill_ convert to y's dtype. The others compute like the operation
// without the underscore (integers exactly, in integers, wrapping around). They throw DtypeError if its result is of a
// higher category than y: as in PyTorch, a fraction is never added to integers.
#pragma once

#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop {

const Tensor& copy_(const Tensor& y, const Tensor& x);
const Tensor& fill_(const Tensor& y, Scalar value);
const Tensor& zero_(const Tensor& y);
/// y += alpha * x. If y holds integers, alpha must be an integer (DtypeError).
const Tensor& add_(const Tensor& y, const Tensor& x, Scalar alpha = 1);
/// y += value
const Tensor& add_(const Tensor& y, Scalar value);
const Tensor& mul_(const Tensor& y, const Tensor& x);
const Tensor& mul_(const Tensor& y, Scalar value);
/// y += weight * (end - y), for running averages. From weight 0.5 on it computes end - (1 - weight) (end - y), so that
/// weight 1 gives exactly `end` (torch.lerp). y and end must be floating: DtypeError.
const Tensor& lerp_(const Tensor& y, const Tensor& end, double weight);

}  // namespace hop
