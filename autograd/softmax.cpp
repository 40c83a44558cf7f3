#include "autograd/softmax.h"

#include "autograd/copy.h"
#include "autograd/elementwise.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "kernels/expect_internal.h"
#include "kernels/softmax.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::record;
using autograd::save_output;

namespace {

// The kernels work along the last dimension; another dimension is swapped with it.
template <class Op>
Tensor along(const Tensor& x, std::int64_t dim, const char* op, Op last_dim) {
  kernels::expect_defined(op, x);
  const int d = normalize_dim(dim, x.dim(), op);
  if (d >= x.dim() - 1) return last_dim(x);
  return transpose(last_dim(transpose(x, d, -1)), d, -1);
}

Tensor softmax_last(const Tensor& x) {
  Tensor y = kernels::softmax(x);
  if (!is_recorded(x)) return y;
  const auto saved = save_output(y);
  return record("softmax", std::move(y), {x}, [saved](BackwardContext& c) {
    const Tensor& g = c.grad();
    const Tensor uy = c.value(saved);
    c.set(0, is_grad_enabled() ? uy * (g - sum(g * uy, {-1}, true)) : kernels::softmax_grad(g, uy));
  });
}

Tensor log_softmax_last(const Tensor& x) {
  Tensor y = kernels::log_softmax(x);
  if (!is_recorded(x)) return y;
  const auto saved = save_output(y);
  return record("log_softmax", std::move(y), {x}, [saved](BackwardContext& c) {
    const Tensor& g = c.grad();
    const Tensor uy = c.value(saved);
    c.set(0, is_grad_enabled() ? g - exp(uy) * sum(g, {-1}, true) : kernels::log_softmax_grad(g, uy));
  });
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t dim, std::optional<DType> dtype) {
  return along(dtype ? to(x, *dtype) : x, dim, "softmax", softmax_last);
}

Tensor log_softmax(const Tensor& x, std::int64_t dim, std::optional<DType> dtype) {
  return along(dtype ? to(x, *dtype) : x, dim, "log_softmax", log_softmax_last);
}

}  // namespace hop
