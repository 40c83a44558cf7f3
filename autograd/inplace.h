// Writes in place. They are never recorded: use them in NoGradGuard scopes (initialisation, running statistics,
// optimizers) and for tensors without gradients. Each bumps the version of `y`, so that a graph that saved `y` notices
// the write.
//
// All return y. All throw AutogradError if gradients are recorded and `y` or the operand requires one, and ShapeError
// if the operand does not broadcast to y. copy_ and fill_ convert to y's dtype. The others compute like the operation
// without the underscore (integers exactly, in integers, wrapping around). They throw DtypeError if its result is of a
// higher category than y: as in PyTorch, a fraction is never added to integers.
#pragma once

#include "kernels/elementwise.h"
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
/// y -= alpha * x. Otherwise as add_().
const Tensor& sub_(const Tensor& y, const Tensor& x, Scalar alpha = 1);
const Tensor& sub_(const Tensor& y, Scalar value);
const Tensor& mul_(const Tensor& y, const Tensor& x);
const Tensor& mul_(const Tensor& y, Scalar value);
/// y /= x, for floating y (DtypeError: integers would lose the fraction; write floor_divide()).
const Tensor& div_(const Tensor& y, const Tensor& x);
const Tensor& div_(const Tensor& y, Scalar value);
/// y += weight * (end - y), for running averages. From weight 0.5 on it computes end - (1 - weight) (end - y), so that
/// weight 1 gives exactly `end` (torch.lerp). y and end must be floating: DtypeError.
const Tensor& lerp_(const Tensor& y, const Tensor& end, double weight);

/// add_, sub_, mul_ and div_ as operators, in place as in PyTorch: every handle and view of y sees the write. To add up
/// losses while gradients are recorded, write total = total + loss, or total += loss.detach(). They need a name on the
/// left, because a part such as x[mask] may be a copy: write add_(x[0], 1) for a view, or index_put_().
Tensor& operator+=(Tensor& y, kernels::Input x);
Tensor& operator-=(Tensor& y, kernels::Input x);
Tensor& operator*=(Tensor& y, kernels::Input x);
Tensor& operator/=(Tensor& y, kernels::Input x);

}  // namespace hop
