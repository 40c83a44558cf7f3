#include "kernels/index.h"

#include <cstring>
#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/cpu/elementwise_internal.h"
#include "kernels/cpu/walk_internal.h"
#include "kernels/expect_internal.h"

namespace hop::kernels {
namespace {

// A contiguous tensor around one dimension: (outer, size, inner).
struct Around {
  std::int64_t outer = 1;
  std::int64_t size = 1;
  std::int64_t inner = 1;
  Around(const Shape& shape, int dim) : size(shape[dim]) {
    for (int d = 0; d < dim; ++d) outer *= shape[d];
    for (int d = dim + 1; d < shape.size(); ++d) inner *= shape[d];
  }
};

// The index, contiguous, every value in 0..size-1.
Tensor checked_index(const char* op, const Tensor& index, std::int64_t size) {
  expect_cpu(op, index);
  if (index.dtype() != DType::i64)
    throw DtypeError("[" + std::string(op) + "] expected an i64 index, got " + index.describe());
  Tensor checked = contiguous(index);
  const auto* values = checked.data<std::int64_t>();
  for (std::int64_t i = 0; i < checked.numel(); ++i) {
    if (values[i] < 0 || values[i] >= size) {
      throw IndexError("[" + std::string(op) + "] expected indices in 0.." + std::to_string(size - 1) + ", got " +
                       std::to_string(values[i]) + " (at position " + std::to_string(i) + ")");
    }
  }
  return checked;
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

// f(position in the indexed tensor, i) for the index's elements i in row-major order; `strides` are the indexed
// tensor's.
template <class F>
void for_each_position(const Tensor& index, const Strides& strides, int dim, const F& f) {
  Strides others = strides;
  others[dim] = 0;
  const auto* values = index.data<std::int64_t>();
  std::int64_t i = 0;
  const Walk<1> walk(index.shape(), {others}, 1);
  walk.for_each_line(0, index.numel(), [&](const std::int64_t* offset, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k, ++i) f(offset[0] + k * walk.line_stride(0) + values[i] * strides[dim], i);
  });
}

// Adds with the loop of rows::Add, so that a slice is added as fast as two tensors.
void add_slice(DType dtype, std::byte* to, const std::byte* from, std::int64_t n) {
  const auto step = static_cast<std::int64_t>(size_of(dtype));
  const Line line{n, to, {to, from}, {step, step}, {dtype, dtype}};
  const rows::Add row;
  cpu::line_kernel(rows::Add::id, rows::Part::value, dtype)(line, &row);
}

}  // namespace

Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index) {
  expect_cpu("gather", x);
  const int d = checked_dim("gather", x.shape(), dim);
  check_gather_shape("gather", x.shape(), index.shape(), d);
  const Tensor checked = checked_index("gather", index, x.shape()[d]);
  Tensor y = Tensor::empty(index.shape(), x.dtype());
  visit_dtype(x.dtype(), [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for_each_position(checked, x.strides(), d, [&](std::int64_t position, std::int64_t i) { to[i] = from[position]; });
  });
  return y;
}

Tensor scatter_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& g) {
  expect_floating("scatter_add", g);
  const int d = checked_dim("scatter_add", shape, dim);
  check_gather_shape("scatter_add", shape, index.shape(), d);
  expect_shape("scatter_add", "values", g, index.shape());
  const Tensor checked = checked_index("scatter_add", index, shape[d]);
  const Tensor values = contiguous(g);
  Tensor y = zeros(shape, g.dtype());
  visit_dtype(g.dtype(), [&]<class T>(T) {
    const T* from = values.data<T>();
    T* to = y.data<T>();
    for_each_position(checked, y.strides(), d, [&](std::int64_t position, std::int64_t i) {
      to[position] = static_cast<T>(to[position] + from[i]);
    });
  });
  return y;
}

Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index) {
  expect_cpu("index_select", x);
  const int d = checked_dim("index_select", x.shape(), dim);
  if (index.dim() != 1) throw ShapeError("[index_select] expected a 1-d index, got " + index.describe());
  const Tensor checked = checked_index("index_select", index, x.shape()[d]);
  const Tensor source = contiguous(x);
  Shape shape = x.shape();
  shape[d] = index.numel();
  Tensor y = Tensor::empty(shape, x.dtype());
  const Around around(x.shape(), d);
  const std::size_t bytes = static_cast<std::size_t>(around.inner) * size_of(x.dtype());
  std::byte* to = y.raw_data();
  for (std::int64_t o = 0; y.numel() != 0 && o < around.outer; ++o) {
    const std::byte* from = source.raw_data() + static_cast<std::size_t>(o * around.size) * bytes;
    for (const std::int64_t i : std::span(checked.data<std::int64_t>(), static_cast<std::size_t>(index.numel()))) {
      std::memcpy(to, from + static_cast<std::size_t>(i) * bytes, bytes);
      to += bytes;
    }
  }
  return y;
}

Tensor index_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& g) {
  expect_floating("index_add", g);
  const int d = checked_dim("index_add", shape, dim);
  if (index.dim() != 1) throw ShapeError("[index_add] expected a 1-d index, got " + index.describe());
  const Tensor checked = checked_index("index_add", index, shape[d]);
  Shape expected = shape;
  expected[d] = index.numel();
  expect_shape("index_add", "values", g, expected);
  const Tensor source = contiguous(g);
  Tensor y = zeros(shape, g.dtype());
  const Around around(shape, d);
  const std::size_t bytes = static_cast<std::size_t>(around.inner) * size_of(g.dtype());
  const std::byte* from = source.raw_data();
  for (std::int64_t o = 0; g.numel() != 0 && o < around.outer; ++o) {
    std::byte* to = y.raw_data() + static_cast<std::size_t>(o * around.size) * bytes;
    for (const std::int64_t i : std::span(checked.data<std::int64_t>(), static_cast<std::size_t>(index.numel()))) {
      add_slice(g.dtype(), to + static_cast<std::size_t>(i) * bytes, from, around.inner);
      from += bytes;
    }
  }
  return y;
}

}  // namespace hop::kernels
