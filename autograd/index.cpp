// Reading at positions and adding at positions are each other's gradients.
#include "autograd/index.h"

#include "autograd/record.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "kernels/index.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::record;
using autograd::save;

namespace {

Tensor scatter_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& g) {
  Tensor x = kernels::scatter_add(shape, dim, index, g);
  if (!is_recorded(g)) return x;
  return record("scatter_add", std::move(x), {g},
                [dim, saved = save(index)](BackwardContext& c) { c.set(0, gather(c.grad(), dim, c.value(saved))); });
}

Tensor index_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& g) {
  Tensor x = kernels::index_add(shape, dim, index, g);
  if (!is_recorded(g)) return x;
  return record("index_add", std::move(x), {g}, [dim, saved = save(index)](BackwardContext& c) {
    c.set(0, index_select(c.grad(), dim, c.value(saved)));
  });
}

}  // namespace

Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index) {
  Tensor y = kernels::gather(x, dim, index);
  if (!is_recorded(x)) return y;
  return record("gather", std::move(y), {x}, [dim, shape = x.shape(), saved = save(index)](BackwardContext& c) {
    c.set(0, scatter_add(shape, dim, c.value(saved), c.grad()));
  });
}

static Tensor select_rows(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index) {
  Tensor y = kernels::index_select(x, dim, index, op);
  if (!is_recorded(x)) return y;
  return record(op, std::move(y), {x}, [dim, shape = x.shape(), saved = save(index)](BackwardContext& c) {
    c.set(0, index_add(shape, dim, c.value(saved), c.grad()));
  });
}

Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index) {
  return select_rows("index_select", x, dim, index);
}

Tensor embedding(const Tensor& weight, const Tensor& indices) {
  kernels::expect_defined("embedding", weight);
  kernels::expect_defined("embedding", indices);
  if (weight.dim() != 2) throw ShapeError("[embedding] expected weight (V, D), got " + weight.describe());
  Shape shape = indices.shape();
  shape.push_back(weight.size(1));
  return reshape(select_rows("embedding", weight, 0, reshape(indices, {-1})), shape);
}

}  // namespace hop
