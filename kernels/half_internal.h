// How an operation takes bf16 and f16: operands as f32, one computation in f32, one rounding of the result. A number
// beside a tensor is not rounded to 16 bits, unlike in PyTorch.
#pragma once

#include <optional>

#include "kernels/copy.h"
#include "kernels/copy_operations.h"
#include "kernels/expect_internal.h"
#include "kernels/layout_internal.h"
#include "kernels/precision.h"

namespace hop::kernels {

inline bool is_half(const Tensor& x) { return x.defined() && is_half(x.dtype()); }
template <class... Tensors>
bool any_half(const Tensors&... operands) {
  return (is_half(operands) || ...);
}

/// x in the dtype in which operations compute, in the layout of a copy; x itself if it has that dtype or is undefined.
inline Tensor widened(const Tensor& x) {
  if (!is_half(x)) return x;
  const Tensor y = empty_in(copied_layout(x), x.shape(), DType::f32, x.device());
  operations<CopyOperations>(x).copy(y, x);
  return y;
}

/// y rounded to `dtype`, in y's layout; into `out` if it is defined.
inline Tensor narrowed(const char* op, const Tensor& y, DType dtype, const Tensor& out = {}) {
  const Tensor z = result_in(op, out, y.shape(), dtype, y.device(), kept_layout(out.defined() ? out : y));
  operations<CopyOperations>(y).copy(z, y);
  return z;
}

/// The mode in which products of widened factors are fast and exact: f16 and tf32 have the same mantissa.
inline Precision exact_precision(DType half) { return half == DType::bf16 ? Precision::bf16 : Precision::tf32; }

/// The dtype to which a mode rounds factors, if it has 16 bits.
constexpr std::optional<DType> half_of(Precision precision) {
  if (precision == Precision::bf16) return DType::bf16;
  if (precision == Precision::f16) return DType::f16;
  return std::nullopt;
}

}  // namespace hop::kernels
