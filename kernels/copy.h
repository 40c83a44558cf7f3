// Moving and converting elements: whatever walks strides without computing.
#pragma once

#include <span>

#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop::kernels {

/// `x` itself when it is contiguous, else a contiguous copy.
Tensor contiguous(const Tensor& x);
/// A contiguous copy with storage of its own.
Tensor clone(const Tensor& x);
/// A tensor of `dtype`: `x` itself when it has it already, else a contiguous copy. Float to integer truncates; to bool:
/// != 0.
Tensor cast(const Tensor& x, DType dtype);
/// `x` on `device`: itself when it is there already, else a contiguous copy, made when the call returns. StateError
/// while a step is captured.
Tensor to_device(const Tensor& x, Device device);
/// y <- x, broadcast and converted; where the two overlap, as if x had been cloned first. Bumps y's version. Throws
/// ShapeError when x does not broadcast to y, or y's elements repeat (an expanded view).
void copy_(const Tensor& y, const Tensor& x);
/// y <- value. Bumps y's version. Throws DtypeError for a number that y's dtype cannot hold (300 in u8, NaN in i64).
void fill_(const Tensor& y, Scalar value);

/// Joins along an existing dimension; dtypes are promoted. A 1-d tensor without elements, an empty start, joins tensors
/// of any rank and adds nothing but its dtype. Throws ShapeError when other sizes differ or `parts` is empty.
Tensor cat(std::span<const Tensor> parts, std::int64_t dim);
/// Whether `part` is such an empty start among tensors of `rank` dimensions.
bool is_left_out_of_cat(const Tensor& part, int rank);

Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu());
Tensor ones(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu());
/// Throws DtypeError for a number that `dtype` cannot hold; torch.full lets negative ones wrap in u8.
Tensor full(const Shape& shape, Scalar value, DType dtype = DType::f32, Device device = Device::cpu());
/// 0, 1, .., n - 1. Throws DtypeError where an integer `dtype` ends before n - 1 (torch.arange wraps).
Tensor arange(std::int64_t n, DType dtype = DType::i64, Device device = Device::cpu());

}  // namespace hop::kernels
