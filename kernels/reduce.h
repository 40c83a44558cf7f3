// Reductions over any set of dimensions, with a fixed tree: the bits depend on the values and the shape alone. `dims`
// empty means all dimensions. With keepdim the reduced dimensions stay with size 1. If `out` is given, it receives the
// result: it is contiguous and of the result's shape and dtype. bf16 and f16 are summed in f32 and rounded once.
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace hop::kernels {

using DimList = std::span<const std::int64_t>;

/// The shape rule of all reductions. Throws IndexError for a dimension out of range or named twice.
Shape reduce_shape(const Shape& shape, DimList dims, bool keepdim);

/// Integers and bools sum in i64. A sum over nothing is 0.
Tensor sum(const Tensor& x, DimList dims = {}, bool keepdim = false);
/// sum(), into `out` if it is defined.
Tensor sum_into(const Tensor& out, const Tensor& x, DimList dims, bool keepdim = false);
/// Sums g over the dimensions that broadcasting from `shape` added or repeated: the gradient of expand. `out` is not
/// used if there is nothing to sum.
Tensor sum_to(const Tensor& g, const Shape& shape, const Tensor& out = {});
/// Floating only; DtypeError otherwise.
Tensor mean(const Tensor& x, DimList dims = {}, bool keepdim = false);
/// NaN wins. Throws ShapeError for a reduction over nothing.
Tensor max(const Tensor& x, DimList dims = {}, bool keepdim = false);
Tensor min(const Tensor& x, DimList dims = {}, bool keepdim = false);
/// Index (i64) of the first maximum (a NaN counts as the maximum) along `dim`; over the flattened tensor without it.
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor argmax(const Tensor& x);
/// Sum of squared deviations from the mean (two passes), divided by max(0, n - correction): torch.var.
Tensor var(const Tensor& x, DimList dims = {}, double correction = 1, bool keepdim = false);

}  // namespace hop::kernels
