// Checks of operands before an operation runs. Each throws an error of the form `[op] expected X, got Y`.
#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <string>

#include "kernels/layout_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

/// x is defined (Error).
void expect_defined(const char* op, const Tensor& x);
/// All are defined and on one device (Error, DeviceError).
void expect_same_device(const char* op, std::initializer_list<const Tensor*> operands);
/// x is defined and f32 or f64 (Error, DtypeError). For bf16 and f16 the error says to convert.
void expect_floating(const char* op, const Tensor& x);
/// x is defined and f32, f64, bf16 or f16 (Error, DtypeError): for operations that widen (half_internal.h).
void expect_any_floating(const char* op, const Tensor& x);
/// All are defined, on one device, and of one dtype, f32 or f64 (Error, DeviceError, DtypeError). Tensors in `optional`
/// may be undefined.
void expect_floating(const char* op, std::initializer_list<const Tensor*> operands,
                     std::initializer_list<const Tensor*> optional = {});
/// All are defined, on one device, and of one floating dtype; otherwise as expect_floating().
void expect_any_floating(const char* op, std::initializer_list<const Tensor*> operands,
                         std::initializer_list<const Tensor*> optional = {});
/// The tensor for a result: a fresh one if `out` is undefined, otherwise `out`, which must have this shape, dtype,
/// device and layout (ShapeError, DtypeError, DeviceError).
Tensor result_in(const char* op, const Tensor& out, const Shape& shape, DType dtype, Device device,
                 Layout layout = Layout::contiguous);
/// ShapeError with `what` naming the operand, unless x has `shape`.
void expect_shape(const char* op, const char* what, const Tensor& x, const Shape& shape);
/// Which of the dimensions 0..rank-1 `dims` names. Throws IndexError for one out of range or named twice.
std::array<bool, kMaxDims> named_dims(const char* op, int rank, std::span<const std::int64_t> dims);
/// ConfigError unless eps, which a normalisation adds to a variance, is finite and at least 0.
void expect_eps(const char* op, double eps);

}  // namespace hop::kernels
