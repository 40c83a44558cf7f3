// How an operation that is made of others takes bf16 and f16: all of it in f32 and one rounding of the result, as
// kernels/half_internal.h has it for one kernel. The conversions are recorded, so gradients are rounded once, too.
//
//   if (any_half(a, b)) return rounded_like(cdist(in_f32(a), in_f32(b), p), a, b);
#pragma once

#include <algorithm>

#include "autograd/copy.h"
#include "kernels/half_internal.h"

namespace hop::autograd {

using kernels::any_half;

/// x as f32 if it is bf16 or f16; otherwise x itself, which may be undefined.
inline Tensor in_f32(const Tensor& x) { return kernels::is_half(x) ? to(x, DType::f32) : x; }

/// x as promotion sees it.
inline Operand operand_of(const Tensor& x) {
  return {x.dtype(), x.dim() == 0 ? Operand::Kind::zero_dim : Operand::Kind::tensor};
}

/// y in the dtype to which the operands promote.
template <class... Operands>
Tensor rounded_like(const Tensor& y, const Tensor& first, const Operands&... others) {
  Operand all = operand_of(first);
  ((all = {result_type(all, operand_of(others)), std::max(all.kind, operand_of(others).kind)}), ...);
  return to(y, all.dtype);
}

}  // namespace hop::autograd
