#include "autograd/copy.h"

#include <algorithm>

#include "autograd/record.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/layout_internal.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::record;

Tensor clone(const Tensor& x) {
  Tensor y = kernels::clone(x);
  if (!is_recorded(x)) return y;
  return record("clone", std::move(y), {x}, [](BackwardContext& c) { c.set(0, c.grad()); });
}

Tensor to(const Tensor& x, DType dtype) {
  kernels::expect_defined("to", x);
  if (x.dtype() == dtype) return x;
  Tensor y = kernels::cast(x, dtype);
  if (!is_floating(dtype) || !is_recorded(x)) return y;
  return record("to", std::move(y), {x}, [from = x.dtype()](BackwardContext& c) { c.set(0, to(c.grad(), from)); });
}

Tensor to(const Tensor& x, Device device) {
  Tensor y = kernels::to_device(x, device);
  if (y.is_same(x) || !is_recorded(x)) return y;
  return record("to", std::move(y), {x}, [from = x.device()](BackwardContext& c) { c.set(0, to(c.grad(), from)); });
}

Tensor to(const Tensor& x, Device device, DType dtype) {
  kernels::expect_defined("to", x);
  // The smaller dtype travels.
  if (size_of(dtype) < size_of(x.dtype())) return to(to(x, dtype), device);
  return to(to(x, device), dtype);
}

namespace {

struct Part {
  std::int64_t size;
  DType dtype;
  bool left_out;  // an empty start
};

// Cuts the gradient at the joints of the parts.
void split(BackwardContext& context, const std::vector<Part>& parts, std::int64_t dim) {
  std::int64_t start = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].left_out) {
      context.set(i, kernels::zeros({0}, parts[i].dtype, context.grad().device()));
      continue;
    }
    const std::int64_t end = start + parts[i].size;
    if (context.wants(i)) context.set(i, to(slice(context.grad(), dim, start, end), parts[i].dtype));
    start = end;
  }
}

}  // namespace

Tensor cat(std::span<const Tensor> parts, std::int64_t dim) {
  Tensor y = kernels::cat(parts, dim);
  const bool any = std::any_of(parts.begin(), parts.end(), [](const Tensor& x) { return x.requires_grad(); });
  if (!any || !is_grad_enabled()) return y;
  std::vector<Part> sizes;
  for (const Tensor& x : parts) {
    const bool left_out = kernels::is_left_out_of_cat(x, y.dim());
    sizes.push_back({left_out ? 0 : x.size(dim), x.dtype(), left_out});
  }
  return attach(std::move(y),
                autograd::record_node("cat", 1, parts,
                                      [sizes = std::move(sizes), dim](BackwardContext& c) { split(c, sizes, dim); }));
}

Tensor stack(std::span<const Tensor> parts, std::int64_t dim) {
  if (parts.empty()) throw ShapeError("[stack] expected at least one tensor, got none");
  kernels::expect_defined("stack", parts[0]);
  std::vector<Tensor> rows;
  for (const Tensor& x : parts) {
    kernels::expect_defined("stack", x);
    if (x.shape() != parts[0].shape()) {
      throw ShapeError("[stack] expected equal shapes, got " + parts[0].shape().to_string() + " and " +
                       x.shape().to_string());
    }
    rows.push_back(unsqueeze(x, dim));
  }
  return cat(rows, dim);
}

Tensor cat(std::initializer_list<Tensor> parts, std::int64_t dim) {
  return cat(std::span(parts.begin(), parts.size()), dim);
}

Tensor stack(std::initializer_list<Tensor> parts, std::int64_t dim) {
  return stack(std::span(parts.begin(), parts.size()), dim);
}

Tensor full(const Shape& shape, Scalar value, const TensorOptions& options) {
  Tensor x = kernels::full(shape, value, options.dtype, options.device);
  if (options.requires_grad) x.set_requires_grad();
  return x;
}

Tensor zeros(const Shape& shape, const TensorOptions& options) { return full(shape, 0, options); }
Tensor ones(const Shape& shape, const TensorOptions& options) { return full(shape, 1, options); }
Tensor zeros_like(const Tensor& x) {
  kernels::expect_defined("zeros_like", x);
  return kernels::full_in(kernels::copied_layout(x), x.shape(), 0, x.dtype(), x.device());
}
Tensor ones_like(const Tensor& x) {
  kernels::expect_defined("ones_like", x);
  return kernels::full_in(kernels::copied_layout(x), x.shape(), 1, x.dtype(), x.device());
}
Tensor arange(std::int64_t n, DType dtype, Device device) { return kernels::arange(n, dtype, device); }

}  // namespace hop
