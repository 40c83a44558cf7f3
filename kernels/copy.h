// Moving and converting elements: operations that walk strides without computing.
#pragma once

#include <span>

#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop::kernels {

/// `x` itself if it is contiguous, otherwise a contiguous copy.
Tensor contiguous(const Tensor& x);
/// A copy with its own storage. Contiguous, except that on the CPU an image with channels last (tensor/memory_format.h)
/// or a part of one gives an image with channels last. cast() does the same.
Tensor clone(const Tensor& x);
/// `x` as `dtype`: `x` itself if it has this dtype, otherwise a copy. Float to integer truncates. Any dtype
/// to bool is != 0.
Tensor cast(const Tensor& x, DType dtype);
/// `x` on `device`: `x` itself if it is there, otherwise a contiguous copy, which is complete when the call returns.
/// Throws StateError while a step is captured.
Tensor to_device(const Tensor& x, Device device);
/// y <- x, broadcast and converted. If the two overlap, the result is as if x had been cloned first. Bumps y's version.
/// Throws ShapeError if x does not broadcast to y, or if elements of y share an address (an expanded view).
void copy_(const Tensor& y, const Tensor& x);
/// y <- value. Bumps y's version. Throws DtypeError for a number that y's dtype cannot hold (300 in u8, NaN in i64).
void fill_(const Tensor& y, Scalar value);

/// Joins along an existing dimension; dtypes are promoted. Contiguous, except that on the CPU images that all lie with
/// channels last give an image with channels last; those of one channel or one pixel lie in both ways. A 1-d tensor
/// without elements (an empty start) joins tensors of any rank and adds only its dtype. Throws ShapeError if sizes
/// along other dimensions differ, or if `parts` is empty.
Tensor cat(std::span<const Tensor> parts, std::int64_t dim);
/// Whether `part` is an empty start among tensors of `rank` dimensions: 1-d, without elements.
bool is_left_out_of_cat(const Tensor& part, int rank);

Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu());
Tensor ones(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu());
/// Throws DtypeError for a number that `dtype` cannot hold; torch.full lets negative ones wrap in u8.
Tensor full(const Shape& shape, Scalar value, DType dtype = DType::f32, Device device = Device::cpu());
/// 0, 1, .., n - 1. Throws DtypeError if an integer `dtype` cannot hold n - 1 (torch.arange wraps).
Tensor arange(std::int64_t n, DType dtype = DType::i64, Device device = Device::cpu());

}  // namespace hop::kernels
