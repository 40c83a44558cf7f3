#include "autograd/scatter.h"

#include <string>

#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/index.h"
#include "autograd/index_internal.h"
#include "autograd/view.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/view.h"

namespace hop {

using autograd::as_line;
using autograd::existing_dim;
using autograd::expected;

namespace {

/// For each place of `shape`, the last element of `index` that names it, by its row-major number; -1 if none does.
/// Among the elements that name one place, those with the highest bits are kept, bit by bit, until one is left.
Tensor last_writers(const char* op, const Shape& shape, int dim, const Tensor& index) {
  const std::int64_t n = index.numel();
  const Tensor number = kernels::arange(n, DType::i64, index.device());
  Tensor is_left = kernels::ones(index.shape(), DType::f32, index.device());
  std::int64_t highest = 1;
  while (highest < n) highest *= 2;
  for (std::int64_t bit = highest / 2; bit > 0; bit /= 2) {
    const Tensor has_bit = *kernels::try_reshape_view(
        kernels::cast(kernels::remainder(kernels::floor_divide(number, bit), 2), DType::f32), index.shape());
    const Tensor count = kernels::scatter_add(shape, dim, index, kernels::mul(is_left, has_bit), op);
    const Tensor must_have = kernels::gather(kernels::cast(kernels::gt(count, 0), DType::f32), dim, index, op);
    is_left = kernels::mul(is_left, kernels::eq(has_bit, must_have));
  }
  const Tensor from_one = *kernels::try_reshape_view(kernels::add(number, 1), index.shape());
  const Tensor writer =
      kernels::scatter_add(shape, dim, index, kernels::mul(kernels::cast(is_left, DType::f64), from_one), op);
  return kernels::sub(kernels::cast(writer, DType::i64), 1);
}

void expect_same_dtype(const char* op, const Tensor& x, const Tensor& values) {
  kernels::expect_same_device(op, {&x, &values});
  if (values.dtype() != x.dtype())
    throw DtypeError(expected(op) + "values of " + std::string(name(x.dtype())) + ", got " + values.describe());
}

/// The elements of `values` that belong to those of an index.
Tensor first_elements(const char* op, const Tensor& values, const Shape& index) {
  bool fits = values.dim() == index.size();
  for (int d = 0; fits && d < index.size(); ++d) fits = index[d] <= values.size(d);
  if (!fits) {
    throw ShapeError(expected(op) + "values of at least the sizes of the index " + index.to_string() + ", got " +
                     values.describe());
  }
  Tensor y = values;
  for (int d = 0; d < index.size(); ++d) y = slice(y, d, 0, index[d]);
  return y;
}

/// The 1-d index of slices along `dim` as the index of every element of these slices.
Tensor of_elements(const char* op, const Tensor& x, int dim, const Tensor& index) {
  kernels::expect_defined(op, index);
  if (index.dim() != 1) throw ShapeError(expected(op) + "a 1-d index, got " + index.describe());
  Shape column;
  column.resize(x.dim(), 1);
  column[dim] = index.numel();
  Shape shape = x.shape();
  shape[dim] = index.numel();
  return kernels::expand(*kernels::try_reshape_view(kernels::contiguous(index), column), shape);
}

/// Whether `index`, which has values, names a place of x: bool, of x's shape.
Tensor is_named(const char* op, const Tensor& x, int dim, const Tensor& index) {
  const Tensor ones = kernels::ones(index.shape(), DType::f32, x.device());
  return kernels::gt(kernels::scatter_add(x.shape(), dim, index, ones, op), 0);
}

Tensor written(const char* op, const Tensor& x, int dim, const Tensor& index, const kernels::Input& values) {
  kernels::expect_same_device(op, {&x, &index});
  if (values.is_tensor()) expect_same_dtype(op, x, values.tensor());
  const Tensor y = values.is_tensor() ? first_elements(op, values.tensor(), index.shape())
                                      : kernels::full({1}, values.number(), x.dtype(), x.device());
  if (index.numel() == 0) return clone(x);
  const Tensor dense = kernels::contiguous(index);
  if (!values.is_tensor()) return where(is_named(op, x, dim, dense), reshape(y, {}), x);
  const Tensor writer = last_writers(op, x.shape(), dim, dense);
  const Tensor from = kernels::contiguous(kernels::maximum(writer, 0));
  const Tensor there = index_select(reshape(y, {y.numel()}), 0, reshape(from, {from.numel()}));
  return where(kernels::lt(writer, 0), x, reshape(there, x.shape()));
}

}  // namespace

Tensor autograd::scatter_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index,
                             const kernels::Input& values) {
  const int d = existing_dim(op, x, dim);
  kernels::expect_defined(op, index);
  return written(op, x, d, index, values);
}

Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, kernels::Input values) {
  kernels::expect_defined("scatter", x);
  kernels::expect_defined("scatter", index);
  if (x.dim() != 0 && index.dim() != 0) return autograd::scatter_for("scatter", x, dim, index, values);
  const Tensor numbers = values.is_tensor() ? as_line(values.tensor()) : Tensor();
  const kernels::Input lines = values.is_tensor() ? kernels::Input(numbers) : values;
  return reshape(autograd::scatter_for("scatter", as_line(x), dim, as_line(index), lines), x.shape());
}

Tensor index_copy(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& values) {
  kernels::expect_defined("index_copy", x);
  kernels::expect_defined("index_copy", index);
  if (x.dim() == 0 || index.dim() == 0)
    return reshape(index_copy(as_line(x), dim, as_line(index), as_line(values)), x.shape());
  const int d = existing_dim("index_copy", x, dim);
  const Tensor elements = of_elements("index_copy", x, d, index);
  kernels::expect_defined("index_copy", values);
  kernels::expect_shape("index_copy", "values", values, elements.shape());
  return written("index_copy", x, d, elements, values);
}

Tensor index_fill(const Tensor& x, std::int64_t dim, const Tensor& index, kernels::Input value) {
  kernels::expect_same_device("index_fill", {&x, &index});
  if (x.dim() == 0) return reshape(index_fill(as_line(x), dim, index, value), {});
  const int d = existing_dim("index_fill", x, dim);
  const Tensor elements = of_elements("index_fill", x, d, as_line(index));
  if (!value.is_tensor()) return written("index_fill", x, d, elements, value);
  kernels::expect_same_device("index_fill", {&x, &value.tensor()});
  if (value.tensor().dim() != 0)
    throw ShapeError(expected("index_fill") + "a value of shape (), got " + value.tensor().describe());
  if (elements.numel() == 0) return clone(x);
  return where(is_named("index_fill", x, d, kernels::contiguous(elements)), to(value.tensor(), x.dtype()), x);
}

}  // namespace hop
