#include "autograd/reduce.h"

#include <algorithm>

#include "autograd/composed_internal.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/index_internal.h"
#include "autograd/record.h"
#include "autograd/summaries.h"
#include "autograd/view.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/reduce.h"
#include "kernels/view.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::record;
using autograd::save;
using autograd::save_output;

namespace {

// `shape` with 1 in the place of the reduced dimensions: the shape under keepdim.
Shape kept_shape(const Shape& shape, const Dims& dims, const char* op) {
  Shape kept = shape;
  for (int i = 0; i < kept.size() && dims.empty(); ++i) kept[i] = 1;
  for (const std::int64_t dim : dims) {
    if (!kept.empty()) kept[normalize_dim(dim, shape.size(), op)] = 1;
  }
  return kept;
}

// How many elements are reduced into one.
std::int64_t reduced_count(const Shape& shape, const Shape& kept) {
  std::int64_t count = 1;
  for (int i = 0; i < shape.size(); ++i) count *= kept[i] == shape[i] ? 1 : shape[i];
  return count;
}

// Elements that tie share the gradient equally. The set of these elements counts as a constant.
Tensor record_extremum(const char* op, Tensor y, const Tensor& x, const Dims& dims) {
  if (!is_recorded(x)) return y;
  const auto saved_y = save_output(y);
  return record(op, std::move(y), {x}, [op, dims, saved_x = save(x), saved_y](BackwardContext& c) {
    const Tensor ux = c.value(saved_x);
    const Shape kept = kept_shape(ux.shape(), dims, op);
    const Tensor is_extremum = kernels::eq(ux, *kernels::try_reshape_view(c.value(saved_y), kept));
    const Tensor mask = kernels::cast(is_extremum, ux.dtype());
    const Tensor share = kernels::div(mask, kernels::sum(mask, dims, true));
    c.set(0, reshape(c.grad(), kept) * share);
  });
}

}  // namespace

// In a whole dtype the sum of i64 wraps as one of `dtype` does.
Tensor sum(const Tensor& x, const Dims& dims, bool keepdim, DType dtype) {
  return to(sum(to(x, dtype), dims, keepdim), dtype);
}

Tensor sum(const Tensor& x, const Dims& dims, bool keepdim) {
  Tensor y = kernels::sum(x, dims, keepdim);
  if (!is_recorded(x)) return y;
  return record("sum", std::move(y), {x},
                [shape = x.shape(), kept = kept_shape(x.shape(), dims, "sum")](BackwardContext& c) {
                  c.set(0, expand(reshape(c.grad(), kept), shape));
                });
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  kernels::expect_defined("sum_to", x);
  if (x.shape() == shape) return x;
  Tensor y = kernels::sum_to(x, shape);
  if (!is_recorded(x)) return y;
  return record("sum_to", std::move(y), {x},
                [from = x.shape()](BackwardContext& c) { c.set(0, expand(c.grad(), from)); });
}

Tensor mean(const Tensor& x, const Dims& dims, bool keepdim, DType dtype) { return mean(to(x, dtype), dims, keepdim); }

Tensor mean(const Tensor& x, const Dims& dims, bool keepdim) {
  Tensor y = kernels::mean(x, dims, keepdim);
  if (!is_recorded(x)) return y;
  return record("mean", std::move(y), {x},
                [shape = x.shape(), kept = kept_shape(x.shape(), dims, "mean")](BackwardContext& c) {
                  c.set(0, expand(reshape(c.grad() / reduced_count(shape, kept), kept), shape));
                });
}

Tensor max(const Tensor& x, const Dims& dims, bool keepdim) {
  return record_extremum("max", kernels::max(x, dims, keepdim), x, dims);
}

Tensor min(const Tensor& x, const Dims& dims, bool keepdim) {
  return record_extremum("min", kernels::min(x, dims, keepdim), x, dims);
}

namespace {

using FindIndex = Tensor (*)(const Tensor& x, std::int64_t dim, bool keepdim);

Sorted with_values(const char* op, FindIndex find, const Tensor& x, std::int64_t dim, bool keepdim) {
  autograd::expect_dims(op, x, {dim});
  autograd::expect_values(op, x, {dim});
  const Tensor indices = find(x, dim, keepdim);
  if (x.dim() == 0) return {reshape(x, {}), indices};
  const Tensor values = autograd::gather_for(op, x, dim, keepdim ? indices : kernels::unsqueeze(indices, dim));
  return {keepdim ? values : squeeze(values, dim), indices};
}

}  // namespace

Sorted max_with_indices(const Tensor& x, std::int64_t dim, bool keepdim) {
  return with_values("max", argmax, x, dim, keepdim);
}

Sorted min_with_indices(const Tensor& x, std::int64_t dim, bool keepdim) {
  return with_values("min", argmin, x, dim, keepdim);
}

Tensor var(const Tensor& x, const Dims& dims, Scalar less, bool keepdim) {
  if (autograd::any_half(x)) return autograd::rounded_like(var(autograd::in_f32(x), dims, less, keepdim), x);
  const auto correction = less.to<double>();
  Tensor y = kernels::var(x, dims, correction, keepdim);
  if (!is_recorded(x)) return y;
  return record("var", std::move(y), {x}, [dims, correction, saved = save(x)](BackwardContext& c) {
    const Tensor ux = c.value(saved);
    const Shape kept = kept_shape(ux.shape(), dims, "var");
    const double divisor = std::max(0.0, static_cast<double>(reduced_count(ux.shape(), kept)) -
                                             std::max(correction, -static_cast<double>(kMaxElements)));
    const Tensor scaled = reshape(c.grad(), kept) * (2.0 / divisor);
    c.set(0, scaled * (ux - mean(ux, dims, true)));
  });
}

Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim) { return kernels::argmax(x, dim, keepdim); }
Tensor argmax(const Tensor& x) { return kernels::argmax(x); }

}  // namespace hop
