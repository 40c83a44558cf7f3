// How the normalisations take bf16 and f16 (half_internal.h): statistics stay f32, and the parameters may be f32 beside
// an x of 16 bits.
#pragma once

#include <string>

#include "base/error.h"
#include "kernels/half_internal.h"
#include "kernels/norm.h"

namespace hop::kernels {

/// The result of widened operands: y in x's dtype.
inline NormResult rounded(const char* op, NormResult wide, const Tensor& x) {
  wide.y = narrowed(op, wide.y, x.dtype());
  return wide;
}

/// The gradients of widened operands: dx and dresidual in x's dtype, the others in the weight's.
inline NormGrads rounded(const char* op, const NormGrads& wide, const Tensor& x, const Tensor& weight) {
  const auto as = [op](const Tensor& y, const Tensor& operand) {
    return y.defined() ? narrowed(op, y, operand.dtype()) : y;
  };
  return {as(wide.dx, x), as(wide.dweight, weight), as(wide.dbias, weight), as(wide.dresidual, x)};
}

/// The gradients of weight and bias have one dtype (DtypeError).
inline void expect_equal_dtypes(const char* op, const Tensor& weight, const Tensor& bias) {
  if (!weight.defined() || !bias.defined() || weight.dtype() == bias.dtype()) return;
  throw DtypeError("[" + std::string(op) + "] expected weight and bias of one dtype, got " + weight.describe() +
                   " and " + bias.describe());
}

}  // namespace hop::kernels
