#include "autograd/view.h"

#include <string>

#include "autograd/copy.h"
#include "autograd/memory_format.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/layout_internal.h"
#include "kernels/view.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::record;

namespace {

// The gradient of a view that leaves out elements: zeros of `shape`, with g at the elements of `view`, and in the
// layout of g if that is an image's. Its own gradient is the view.
template <class View>
Tensor place(const Tensor& g, const Shape& shape, View view) {
  const kernels::Layout layout = shape.size() == 4 ? kernels::copied_layout(g) : kernels::Layout::contiguous;
  Tensor x = kernels::full_in(layout, shape, 0, g.dtype(), g.device());
  kernels::copy_(view(x), g);
  if (!is_recorded(g)) return x;
  return record("place", x, {g}, [view](BackwardContext& c) { c.set(0, view(c.grad())); });
}

// A view of the same elements in the same order: the gradient only gets its shape back.
Tensor record_reshape(const char* op, Tensor y, const Tensor& x) {
  if (!is_recorded(x)) return y;
  return record(op, std::move(y), {x}, [shape = x.shape()](BackwardContext& c) { c.set(0, reshape(c.grad(), shape)); });
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  const auto view = kernels::try_reshape_view(x, shape);
  return record_reshape("reshape", view ? *view : *kernels::try_reshape_view(kernels::contiguous(x), shape), x);
}

Tensor flatten(const Tensor& x, std::int64_t start_dim, std::int64_t end_dim) {
  kernels::expect_defined("flatten", x);
  const int first = normalize_dim(start_dim, x.dim(), "flatten");
  const int last = normalize_dim(end_dim, x.dim(), "flatten");
  if (first > last) {
    throw IndexError("[flatten] expected start_dim <= end_dim, got " + std::to_string(first) + " and " +
                     std::to_string(last));
  }
  Shape shape;
  std::int64_t joined = 1;
  for (int i = 0; i < x.dim(); ++i) {
    if (i >= first && i <= last) joined *= x.shape()[i];
    if (i == last) shape.push_back(joined);
    if (i < first || i > last) shape.push_back(x.shape()[i]);
  }
  if (x.dim() == 0) shape.push_back(1);
  return reshape(x, shape);
}

Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
  Tensor y = kernels::transpose(x, dim0, dim1);
  if (!is_recorded(x)) return y;
  return record("transpose", std::move(y), {x}, [=](BackwardContext& c) { c.set(0, transpose(c.grad(), dim0, dim1)); });
}

Tensor permute(const Tensor& x, const Dims& dims) {
  Tensor y = kernels::permute(x, dims);
  if (!is_recorded(x)) return y;
  Dims inverse = dims;
  for (int i = 0; i < dims.size(); ++i) inverse[normalize_dim(dims[i], x.dim(), "permute")] = i;
  return record("permute", std::move(y), {x}, [inverse](BackwardContext& c) { c.set(0, permute(c.grad(), inverse)); });
}

Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t end, std::int64_t step) {
  Tensor y = kernels::slice(x, dim, start, end, step);
  if (!is_recorded(x)) return y;
  return record("slice", std::move(y), {x}, [=, shape = x.shape()](BackwardContext& c) {
    c.set(0, place(c.grad(), shape, [=](const Tensor& t) { return slice(t, dim, start, end, step); }));
  });
}

Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index) {
  Tensor y = kernels::select(x, dim, index);
  if (!is_recorded(x)) return y;
  return record("select", std::move(y), {x}, [=, shape = x.shape()](BackwardContext& c) {
    c.set(0, place(c.grad(), shape, [=](const Tensor& t) { return select(t, dim, index); }));
  });
}

Tensor squeeze(const Tensor& x, const Dims& dims) {
  if (dims.size() == 1) return record_reshape("squeeze", kernels::squeeze(x, dims[0]), x);
  kernels::expect_defined("squeeze", x);
  const auto is_named = kernels::named_dims("squeeze", x.dim(), dims);
  Tensor y = x.as_strided(x.shape(), x.strides(), x.storage_offset());
  for (int d = x.dim() - 1; d >= 0; --d) {
    if (is_named[static_cast<std::size_t>(d)]) y = kernels::squeeze(y, d);
  }
  return record_reshape("squeeze", std::move(y), x);
}

Tensor squeeze(const Tensor& x) {
  kernels::expect_defined("squeeze", x);
  Dims all;
  for (int d = 0; d < x.dim(); ++d) all.push_back(d);
  return squeeze(x, all);
}

Tensor unsqueeze(const Tensor& x, std::int64_t dim) {
  return record_reshape("unsqueeze", kernels::unsqueeze(x, dim), x);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  Tensor y = kernels::expand(x, shape);
  if (!is_recorded(x)) return y;
  return record("expand", std::move(y), {x},
                [from = x.shape()](BackwardContext& c) { c.set(0, sum_to(c.grad(), from)); });
}

Tensor contiguous(const Tensor& x) { return contiguous(x, MemoryFormat::contiguous); }

}  // namespace hop
