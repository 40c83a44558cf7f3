// Views: other shapes over the same bytes. No data is read; storage and version counter are shared.
#pragma once

#include <optional>
#include <span>

#include "tensor/tensor.h"

namespace hop::kernels {

/// The view of `x` with `shape` (one size may be -1: it is inferred), or nullopt if only a copy can have this shape.
/// Throws ShapeError when the element counts differ.
std::optional<Tensor> try_reshape_view(const Tensor& x, const Shape& shape);
/// `shape` with its -1 replaced by the size that gives `numel` elements. Throws ShapeError if there is none.
Shape infer_shape(const Shape& shape, std::int64_t numel);

Tensor permute(const Tensor& x, std::span<const std::int64_t> dims);
Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1);
/// Elements start, start + step, .. < end along `dim`; start and end may be negative and are clamped, step > 0.
Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t end, std::int64_t step = 1);
/// One index along `dim`, which disappears.
Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index);
/// Repeats dimensions of size 1 (stride 0) and adds leading ones; -1 keeps a size.
Tensor expand(const Tensor& x, const Shape& shape);
Tensor squeeze(const Tensor& x, std::int64_t dim);
Tensor unsqueeze(const Tensor& x, std::int64_t dim);

}  // namespace hop::kernels
