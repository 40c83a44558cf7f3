#include "kernels/reduce.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/half_internal.h"
#include "kernels/reduce_operations.h"
#include "kernels/view.h"

namespace hop::kernels {
namespace {

DimSet dim_set(const Shape& shape, DimList dims, const char* op) {
  DimSet set = named_dims(op, shape.size(), dims);
  if (dims.empty()) set.fill(true);
  return set;
}

Shape reduced_shape(const Shape& shape, const DimSet& dims, bool keepdim) {
  Shape result;
  for (int d = 0; d < shape.size(); ++d) {
    if (!dims[static_cast<std::size_t>(d)])
      result.push_back(shape[d]);
    else if (keepdim)
      result.push_back(1);
  }
  return result;
}

Tensor run(Reduction op, const char* name, const Tensor& x, DimList dims, bool keepdim, double correction = 0,
           const Tensor& out = {}) {
  expect_defined(name, x);
  if (is_half(x.dtype())) {
    return narrowed(name, run(op, name, widened(x), dims, keepdim, correction), x.dtype(), out);
  }
  const DimSet set = dim_set(x.shape(), dims, name);
  const bool widens = op == Reduction::sum && !is_floating(x.dtype());
  const Shape shape = reduced_shape(x.shape(), set, keepdim);
  const Tensor y = result_in(name, out, shape, widens ? DType::i64 : x.dtype(), x.device());
  if (y.numel() == 0) return y;
  if (x.numel() == 0 && (op == Reduction::max || op == Reduction::min)) {
    throw ShapeError("[" + std::string(name) + "] expected at least one value to reduce, got " + x.describe());
  }
  operations<ReduceOperations>(x).reduce(op, x, set, y, correction);
  return y;
}

}  // namespace

Shape reduce_shape(const Shape& shape, DimList dims, bool keepdim) {
  return reduced_shape(shape, dim_set(shape, dims, "reduce"), keepdim);
}

Tensor sum(const Tensor& x, DimList dims, bool keepdim) { return run(Reduction::sum, "sum", x, dims, keepdim); }

Tensor sum_into(const Tensor& out, const Tensor& x, DimList dims, bool keepdim) {
  return run(Reduction::sum, "sum", x, dims, keepdim, 0, out);
}

Tensor sum_to(const Tensor& g, const Shape& shape, const Tensor& out) {
  expect_defined("sum_to", g);
  if (!(broadcast_shapes(shape, g.shape(), "sum_to") == g.shape())) {
    throw ShapeError("[sum_to] expected a shape that broadcasts to " + g.shape().to_string() + ", got " +
                     shape.to_string());
  }
  const int added = g.dim() - shape.size();
  Shape dims;
  for (int d = 0; d < g.dim(); ++d) {
    if (d < added || shape[d - added] != g.shape()[d]) dims.push_back(d);
  }
  if (dims.empty()) return g;
  const DimList reduced(dims.begin(), dims.end());
  if (out.defined()) {
    expect_shape("sum_to", "out", out, shape);
    if (!out.is_contiguous())
      throw ShapeError("[sum_to] expected a contiguous out, got a strided view of " + out.describe());
    const Shape kept = reduced_shape(g.shape(), dim_set(g.shape(), reduced, "sum_to"), true);
    run(Reduction::sum, "sum_to", g, reduced, true, 0,
        out.as_strided(kept, contiguous_strides(kept), out.storage_offset()));
    return out;
  }
  const Tensor y = run(Reduction::sum, "sum_to", g, reduced, true);
  return y.as_strided(shape, contiguous_strides(shape), 0);
}

Tensor mean(const Tensor& x, DimList dims, bool keepdim) {
  expect_any_floating("mean", x);
  return run(Reduction::mean, "mean", x, dims, keepdim);
}

Tensor max(const Tensor& x, DimList dims, bool keepdim) { return run(Reduction::max, "max", x, dims, keepdim); }
Tensor min(const Tensor& x, DimList dims, bool keepdim) { return run(Reduction::min, "min", x, dims, keepdim); }

Tensor var(const Tensor& x, DimList dims, double correction, bool keepdim) {
  expect_any_floating("var", x);
  constexpr auto kMost = static_cast<double>(kMaxElements);
  correction = std::clamp(correction, -kMost, kMost);
  return run(Reduction::var, "var", x, dims, keepdim, correction);
}

Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim) {
  expect_defined("argmax", x);
  if (is_half(x.dtype())) return argmax(widened(x), dim, keepdim);
  const int d = normalize_dim(dim, x.dim(), "argmax");
  if (x.dim() == 0) return argmax(x);
  const std::int64_t length = x.shape()[d];
  const Tensor y = Tensor::empty(reduce_shape(x.shape(), DimList(&dim, 1), keepdim), DType::i64, x.device());
  if (y.numel() == 0) return y;
  if (length == 0) throw ShapeError("[argmax] expected at least one value to reduce, got " + x.describe());
  Shape order;  // `d` last, so that each sequence is a row
  for (int i = 0; i < x.dim(); ++i) {
    if (i != d) order.push_back(i);
  }
  order.push_back(d);
  operations<ReduceOperations>(x).argmax(contiguous(permute(x, DimList(order.begin(), order.end()))), length, y);
  return y;
}

Tensor argmax(const Tensor& x) {
  expect_defined("argmax", x);
  if (is_half(x.dtype())) return argmax(widened(x));
  if (x.numel() == 0) throw ShapeError("[argmax] expected at least one value to reduce, got " + x.describe());
  const Tensor y = Tensor::empty({}, DType::i64, x.device());
  operations<ReduceOperations>(x).argmax(contiguous(x), x.numel(), y);
  return y;
}

}  // namespace hop::kernels
