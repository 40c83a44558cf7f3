// Convolution, its input gradient and its weight gradient are each linear in two tensors, and their derivatives are one
// another:
//   y = conv(x, w)      X = input_grad(g, w)      W = weight_grad(g, x)
#include "autograd/conv.h"

#include "autograd/record.h"
#include "autograd/reduce.h"
#include "kernels/reduce.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::record;
using autograd::save_if;

namespace {

Tensor weight_grad(const Tensor& g, const Tensor& x, const Shape& w_shape, const Conv2dOptions& options);

Tensor input_grad(const Tensor& g, const Tensor& w, const Shape& x_shape, const Conv2dOptions& options) {
  Tensor dx = kernels::conv2d_input_grad(g, w, x_shape, options);
  if (!is_recorded(g, w)) return dx;
  return record("conv2d_input_grad", std::move(dx), {g, w},
                [options, w_shape = w.shape(), saved_g = save_if(w.requires_grad(), g),
                 saved_w = save_if(g.requires_grad(), w)](BackwardContext& c) {
                  if (c.wants(0)) c.set(0, conv2d(c.grad(), c.value(saved_w), {}, options));
                  if (c.wants(1)) c.set(1, weight_grad(c.value(saved_g), c.grad(), w_shape, options));
                });
}

Tensor weight_grad(const Tensor& g, const Tensor& x, const Shape& w_shape, const Conv2dOptions& options) {
  Tensor dw = kernels::conv2d_weight_grad(g, x, w_shape, options);
  if (!is_recorded(g, x)) return dw;
  return record("conv2d_weight_grad", std::move(dw), {g, x},
                [options, x_shape = x.shape(), saved_g = save_if(x.requires_grad(), g),
                 saved_x = save_if(g.requires_grad(), x)](BackwardContext& c) {
                  if (c.wants(0)) c.set(0, conv2d(c.value(saved_x), c.grad(), {}, options));
                  if (c.wants(1)) c.set(1, input_grad(c.value(saved_g), c.grad(), x_shape, options));
                });
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  Tensor y = kernels::conv2d(x, weight, bias, options);
  if (!is_recorded(x, weight, bias)) return y;
  return record("conv2d", std::move(y), {x, weight, bias},
                [options, x_shape = x.shape(), w_shape = weight.shape(), saved_x = save_if(weight.requires_grad(), x),
                 saved_w = save_if(x.requires_grad(), weight)](BackwardContext& c) {
                  const Tensor& g = c.grad();
                  if (c.wants(0)) c.set(0, input_grad(g, c.value(saved_w), x_shape, options));
                  if (is_grad_enabled()) {
                    if (c.wants(1)) c.set(1, weight_grad(g, c.value(saved_x), w_shape, options));
                    if (c.wants(2)) c.set(2, sum(g, {0, 2, 3}));
                    return;
                  }
                  constexpr std::int64_t kBatchAndPlane[] = {0, 2, 3};
                  if (c.wants(1)) {
                    c.set(1, kernels::conv2d_weight_grad(g, c.value(saved_x), w_shape, options, c.target(1)));
                  }
                  if (c.wants(2)) c.set(2, kernels::sum_into(c.target(2), g, kBatchAndPlane));
                });
}

}  // namespace hop
