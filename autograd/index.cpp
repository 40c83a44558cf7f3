// Reading at positions and adding at positions are each other's gradients.
#include "autograd/index.h"

#include "autograd/copy.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/index_internal.h"
#include "autograd/record.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/index.h"
#include "kernels/view.h"

namespace hop {

using autograd::any_half;
using autograd::as_line;
using autograd::BackwardContext;
using autograd::gather_for;
using autograd::in_f32;
using autograd::index_select_for;
using autograd::is_recorded;
using autograd::record;
using autograd::rounded_like;
using autograd::save;

namespace {

Tensor add_elements(const char* op, const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& g) {
  Tensor x = kernels::scatter_add(shape, dim, index, g, op);
  if (!is_recorded(g)) return x;
  return record(op, std::move(x), {g}, [op, dim, saved = save(index)](BackwardContext& c) {
    c.set(0, gather_for(op, c.grad(), dim, c.value(saved)));
  });
}

Tensor add_rows(const char* op, const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& g) {
  Tensor x = kernels::index_add(shape, dim, index, g, op);
  if (!is_recorded(g)) return x;
  return record(op, std::move(x), {g}, [op, dim, saved = save(index)](BackwardContext& c) {
    c.set(0, index_select_for(op, c.grad(), dim, c.value(saved)));
  });
}

using Padding = std::optional<std::int64_t>;

/// The gradient of words(): the rows of g, added up by their words, and 0 for `padding`.
Tensor add_words(const Shape& shape, const Tensor& index, const Tensor& g, Padding padding) {
  Tensor x = kernels::index_add(shape, 0, index, g, "embedding");
  if (padding) kernels::fill_(kernels::slice(x, 0, *padding, *padding + 1), 0);
  if (!is_recorded(g)) return x;
  return record("embedding", std::move(x), {g}, [padding, saved = save(index)](BackwardContext& c) {
    const Tensor at = c.value(saved), rows = index_select_for("embedding", c.grad(), 0, at);
    if (!padding) return c.set(0, rows);
    const Tensor is_padding = kernels::unsqueeze(kernels::eq(at, static_cast<double>(*padding)), 1);
    c.set(0, where(is_padding, 0.0, rows));
  });
}

/// Rows of `weight` as `dtype`, of which the row `padding` gets no gradient. The gradient is added up in `dtype`.
Tensor words(const Tensor& weight, const Tensor& index, Padding padding, DType dtype) {
  Tensor y = kernels::cast(kernels::index_select(weight, 0, index, "embedding"), dtype);
  if (!is_recorded(weight)) return y;
  return record("embedding", std::move(y), {weight},
                [padding, shape = weight.shape(), own = weight.dtype(), saved = save(index)](BackwardContext& c) {
                  c.set(0, to(add_words(shape, c.value(saved), c.grad(), padding), own));
                });
}

/// Of the rows of weight (V, D) that `indices` name.
Shape rows_shape(const Tensor& weight, const Tensor& indices) {
  kernels::expect_defined("embedding", weight);
  kernels::expect_defined("embedding", indices);
  if (weight.dim() != 2) throw ShapeError("[embedding] expected weight (V, D), got " + weight.describe());
  Shape shape = indices.shape();
  shape.push_back(weight.size(1));
  return shape;
}

Padding existing(const Tensor& weight, Padding padding_idx) {
  if (padding_idx) padding_idx = autograd::existing_word("embedding", *padding_idx, weight.size(0));
  return padding_idx;
}

}  // namespace

// On a GPU a gradient may be the first to report an index, so it has the name of the operation, too.
Tensor autograd::gather_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index) {
  Tensor y = kernels::gather(x, dim, index, op);
  if (!is_recorded(x)) return y;
  return record(op, std::move(y), {x}, [op, dim, shape = x.shape(), saved = save(index)](BackwardContext& c) {
    c.set(0, add_elements(op, shape, dim, c.value(saved), c.grad()));
  });
}

Tensor autograd::index_select_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index) {
  Tensor y = kernels::index_select(x, dim, index, op);
  if (!is_recorded(x)) return y;
  return record(op, std::move(y), {x}, [op, dim, shape = x.shape(), saved = save(index)](BackwardContext& c) {
    c.set(0, add_rows(op, shape, dim, c.value(saved), c.grad()));
  });
}

Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index) {
  kernels::expect_defined("gather", x);
  kernels::expect_defined("gather", index);
  if (index.dim() == 0) return reshape(gather_for("gather", as_line(x), dim, as_line(index)), {});
  return gather_for("gather", as_line(x), dim, index);
}

Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index) {
  kernels::expect_defined("index_select", x);
  kernels::expect_defined("index_select", index);
  if (x.dim() != 0) return index_select_for("index_select", x, dim, as_line(index));
  if (index.numel() != 1)
    throw ShapeError("[index_select] expected one value in an index of a tensor of shape (), got " + index.describe());
  return reshape(index_select_for("index_select", as_line(x), dim, as_line(index)), {});
}

Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& values) {
  kernels::expect_any_floating("scatter_add", {&x, &values});
  kernels::expect_same_device("scatter_add", {&x, &index});
  if (x.dim() == 0 || index.dim() == 0)
    return reshape(scatter_add(as_line(x), dim, as_line(index), as_line(values)), x.shape());
  if (any_half(x, values)) return rounded_like(scatter_add(in_f32(x), dim, index, in_f32(values)), x);
  Tensor part = values;
  for (int d = 0; d < index.dim() && d < part.dim(); ++d) part = slice(part, d, 0, index.size(d));
  return x + add_elements("scatter_add", x.shape(), dim, index, part);
}

Tensor index_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& values, double alpha) {
  kernels::expect_any_floating("index_add", {&x, &values});
  kernels::expect_same_device("index_add", {&x, &index});
  if (x.dim() == 0 || index.dim() == 0)
    return reshape(index_add(as_line(x), dim, as_line(index), as_line(values), alpha), x.shape());
  if (any_half(x, values)) return rounded_like(index_add(in_f32(x), dim, index, in_f32(values), alpha), x);
  return x + add_rows("index_add", x.shape(), dim, index, alpha == 1 ? values : values * alpha);
}

Tensor embedding(const Tensor& weight, const Tensor& indices, std::optional<std::int64_t> padding_idx) {
  const Shape shape = rows_shape(weight, indices);
  const Tensor index = reshape(indices, {-1});
  if (!padding_idx) return reshape(index_select_for("embedding", weight, 0, index), shape);
  return reshape(words(weight, index, existing(weight, padding_idx), weight.dtype()), shape);
}

Tensor autograd::embedding_in_f32(const Tensor& weight, const Tensor& indices,
                                  std::optional<std::int64_t> padding_idx) {
  if (!kernels::is_half(weight)) return embedding(weight, indices, padding_idx);
  const Shape shape = rows_shape(weight, indices);
  return reshape(words(weight, reshape(indices, {-1}), existing(weight, padding_idx), DType::f32), shape);
}

std::int64_t autograd::existing_word(const char* op, std::int64_t padding_idx, std::int64_t words) {
  if (padding_idx >= -words && padding_idx < words) return padding_idx < 0 ? padding_idx + words : padding_idx;
  throw ConfigError("[" + std::string(op) + "] expected a padding_idx in " + std::to_string(-words) + ".." +
                    std::to_string(words - 1) + ", got " + std::to_string(padding_idx));
}

}  // namespace hop
