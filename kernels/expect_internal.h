// What operations ask of their operands before they run. Each throws with the form `[op] expected X, got Y`.
#pragma once

#include <initializer_list>
#include <string>

#include "tensor/tensor.h"

namespace hop::kernels {

/// Defined, and on the CPU: the only device whose loops these operations have so far (Error, DeviceError).
void expect_cpu(const char* op, const Tensor& x);
/// As above, and f32 or f64 (DtypeError).
void expect_floating(const char* op, const Tensor& x);
/// As above, and all of one floating dtype (DtypeError). Undefined ones, optional operands, are left out.
void expect_floating(const char* op, std::initializer_list<const Tensor*> operands);
/// ShapeError with `what` naming the operand, unless x has `shape`.
void expect_shape(const char* op, const char* what, const Tensor& x, const Shape& shape);

}  // namespace hop::kernels
