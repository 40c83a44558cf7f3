#include "kernels/index.h"

#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/half_internal.h"
#include "kernels/index_operations.h"
#include "kernels/layout_internal.h"
#include "kernels/view.h"

namespace hop::kernels {
namespace {

// The index of x, contiguous. The code that reads its values checks them.
Tensor dense_index(const char* op, const Tensor& x, const Tensor& index) {
  expect_defined(op, index);
  expect_same_device(op, {&x, &index});
  if (index.dtype() != DType::i64)
    throw DtypeError("[" + std::string(op) + "] expected an i64 index, got " + index.describe());
  return contiguous(index);
}

int checked_dim(const char* op, const Shape& shape, std::int64_t dim) {
  if (shape.empty()) throw ShapeError("[" + std::string(op) + "] expected a tensor with dimensions, got shape ()");
  return normalize_dim(dim, shape.size(), op);
}

void check_gather_shape(const char* op, const Shape& shape, const Shape& index, int dim) {
  bool fits = shape.size() == index.size();
  for (int d = 0; fits && d < shape.size(); ++d) fits = d == dim || index[d] <= shape[d];
  if (!fits) {
    throw ShapeError("[" + std::string(op) + "] expected an index of at most the sizes of " + shape.to_string() +
                     " outside dimension " + std::to_string(dim) + ", got shape " + index.to_string());
  }
}

void check_1d(const char* op, const Tensor& index) {
  expect_defined(op, index);
  if (index.dim() != 1) throw ShapeError("[" + std::string(op) + "] expected a 1-d index, got " + index.describe());
}

// An index into nothing has no valid value.
void check_not_empty(const char* op, const Shape& shape, int dim, const Tensor& index) {
  if (shape[dim] != 0 || index.numel() == 0) return;
  throw IndexError("[" + std::string(op) + "] expected an index without values for shape " + shape.to_string() +
                   ", got " + index.describe());
}

/// The layout of both x and a result of `shape`: channels last if both can have it.
Layout common_layout(const Tensor& x, const Shape& shape) {
  const Layout layout = copied_layout(x);
  return layout == Layout::channels_last && lies_both_ways(shape) ? Layout::contiguous : layout;
}

/// A dimension of an image (N, C, H, W) among those of its memory with channels last, (N, H, W, C).
int dim_of_memory(int dim) { return dim == 0 ? 0 : dim == 1 ? 3 : dim - 1; }

/// An image with channels last as the contiguous tensor (N, H, W, C).
Tensor by_memory(const Tensor& x) {
  constexpr std::int64_t kOrder[] = {0, 2, 3, 1};
  return permute(x, kOrder);
}

}  // namespace

Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index, const char* op) {
  expect_defined(op, x);
  const int d = checked_dim(op, x.shape(), dim);
  const Tensor dense = dense_index(op, x, index);
  check_gather_shape(op, x.shape(), index.shape(), d);
  check_not_empty(op, x.shape(), d, dense);
  const Tensor y = Tensor::empty(index.shape(), x.dtype(), x.device());
  if (y.numel() != 0) operations<IndexOperations>(x).gather(op, x, d, dense, y);
  return y;
}

Tensor scatter_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& g, const char* op) {
  expect_any_floating(op, g);
  if (is_half(g)) return narrowed(op, scatter_add(shape, dim, index, widened(g), op), g.dtype());
  const int d = checked_dim(op, shape, dim);
  const Tensor dense = dense_index(op, g, index);
  check_gather_shape(op, shape, index.shape(), d);
  expect_shape(op, "values", g, index.shape());
  check_not_empty(op, shape, d, dense);
  const Tensor y = Tensor::empty(shape, g.dtype(), g.device());
  if (y.numel() != 0) operations<IndexOperations>(g).scatter_add(op, contiguous(g), d, dense, y);
  return y;
}

Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index, const char* op) {
  expect_defined(op, x);
  const int d = checked_dim(op, x.shape(), dim);
  check_1d(op, index);
  const Tensor dense = dense_index(op, x, index);
  check_not_empty(op, x.shape(), d, dense);
  Shape shape = x.shape();
  shape[d] = index.numel();
  const Layout layout = common_layout(x, shape);
  const Tensor y = empty_in(layout, shape, x.dtype(), x.device());
  if (y.numel() == 0) return y;
  const Tensor from = in_layout(layout, x);
  if (layout == Layout::channels_last)
    operations<IndexOperations>(x).index_select(op, by_memory(from), dim_of_memory(d), dense, by_memory(y));
  else
    operations<IndexOperations>(x).index_select(op, from, d, dense, y);
  return y;
}

Tensor index_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& g, const char* op) {
  expect_any_floating(op, g);
  if (is_half(g)) return narrowed(op, index_add(shape, dim, index, widened(g), op), g.dtype());
  const int d = checked_dim(op, shape, dim);
  check_1d(op, index);
  const Tensor dense = dense_index(op, g, index);
  Shape expected = shape;
  expected[d] = index.numel();
  expect_shape(op, "values", g, expected);
  check_not_empty(op, shape, d, dense);
  const Layout layout = common_layout(g, shape);
  const Tensor y = empty_in(layout, shape, g.dtype(), g.device());
  if (y.numel() == 0) return y;
  const Tensor from = in_layout(layout, g);
  if (layout == Layout::channels_last)
    operations<IndexOperations>(g).index_add(op, by_memory(from), dim_of_memory(d), dense, by_memory(y));
  else
    operations<IndexOperations>(g).index_add(op, from, d, dense, y);
  return y;
}

}  // namespace hop::kernels
