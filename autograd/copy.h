// Differentiable copies, conversions and joins; new tensors of constants.
#pragma once

#include <span>
#include <vector>

#include "autograd/view.h"
#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop {

/// A copy with its own bytes. Gradients pass through. Contiguous, except for images with channels last on the CPU, as
/// memory_format.h says. to(x, dtype) and cat() lay their results in the same way.
Tensor clone(const Tensor& x);
/// `x` as `dtype`; `x` itself if it has this dtype. Gradients come back in the dtype of `x`.
Tensor to(const Tensor& x, DType dtype);
/// `x` on `device`; `x` itself if it is there. Gradients come back to the device of `x`. Waits for the device. Throws
/// StateError while a step is captured.
Tensor to(const Tensor& x, Device device);
/// `x` on `device` as `dtype`: both of the above. Errors as above.
Tensor to(const Tensor& x, Device device, DType dtype);
/// torch.Tensor.tolist() of a flat tensor: the elements in row-major order, from any device and layout. T is x's type
/// (DtypeError). Waits for the device; throws StateError while a step is captured.
template <class T>
std::vector<T> to_vector(const Tensor& x) {
  const Tensor here = contiguous(to(x.detach(), Device::cpu()));
  const T* first = here.data<T>();
  return std::vector<T>(first, first + here.numel());
}
/// Joins along an existing dimension: (A, B) and (A, C) -> (A, B + C) for dim = 1. Dtypes are promoted. A 1-d tensor
/// without elements (an empty start) joins tensors of any rank. Throws ShapeError if other sizes differ or `parts` is
/// empty, IndexError for a dimension out of range.
Tensor cat(std::span<const Tensor> parts, std::int64_t dim = 0);
Tensor cat(std::initializer_list<Tensor> parts, std::int64_t dim = 0);
/// Joins n tensors of one shape along a new dimension: n x (A, B) -> (A, n, B) for dim = 1. Throws ShapeError if shapes
/// differ or `parts` is empty.
Tensor stack(std::span<const Tensor> parts, std::int64_t dim = 0);
Tensor stack(std::initializer_list<Tensor> parts, std::int64_t dim = 0);

struct TensorOptions {
  DType dtype = DType::f32;
  Device device = Device::cpu();
  bool requires_grad = false;
};
Tensor zeros(const Shape& shape, const TensorOptions& options = {});
Tensor ones(const Shape& shape, const TensorOptions& options = {});
/// zeros({2, 3}, DType::i64)
inline Tensor zeros(const Shape& shape, DType dtype, Device device = Device::cpu()) {
  return zeros(shape, {.dtype = dtype, .device = device});
}
inline Tensor ones(const Shape& shape, DType dtype, Device device = Device::cpu()) {
  return ones(shape, {.dtype = dtype, .device = device});
}
/// torch.zeros_like and torch.ones_like: in x's shape, dtype and device, and in the layout of clone(x).
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
/// Throws DtypeError for a number that the dtype cannot hold; torch.full lets negative ones wrap in u8.
Tensor full(const Shape& shape, Scalar value, const TensorOptions& options = {});
inline Tensor full(const Shape& shape, Scalar value, DType dtype, Device device = Device::cpu()) {
  return full(shape, value, {.dtype = dtype, .device = device});
}
/// 0, 1, .., n - 1. Throws DtypeError if an integer `dtype` cannot hold n - 1 (torch.arange wraps).
Tensor arange(std::int64_t n, DType dtype = DType::i64, Device device = Device::cpu());

}  // namespace hop
