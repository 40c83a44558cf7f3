// What operations ask of their operands before they run. Each throws with the form `[op] expected X, got Y`.
#pragma once

#include <initializer_list>
#include <string>

#include "kernels/layout_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

/// Defined (Error).
void expect_defined(const char* op, const Tensor& x);
/// Defined and all on one device (Error, DeviceError).
void expect_same_device(const char* op, std::initializer_list<const Tensor*> operands);
/// Defined, and f32 or f64 (DtypeError).
void expect_floating(const char* op, const Tensor& x);
/// As both, and all of one dtype (DtypeError). Those in `optional` may be undefined.
void expect_floating(const char* op, std::initializer_list<const Tensor*> operands,
                     std::initializer_list<const Tensor*> optional = {});
/// Where a result goes: into `out`, of this shape, dtype, device and layout (ShapeError, DtypeError, DeviceError), or,
/// where `out` is undefined, into a fresh tensor.
Tensor result_in(const char* op, const Tensor& out, const Shape& shape, DType dtype, Device device,
                 Layout layout = Layout::contiguous);
/// ShapeError with `what` naming the operand, unless x has `shape`.
void expect_shape(const char* op, const char* what, const Tensor& x, const Shape& shape);

}  // namespace hop::kernels
