// Convolution, its input gradient and its weight gradient are each linear in two tensors, and their derivatives are one
// another:
//   y = conv(x, w)      X = input_grad(g, w)      W = weight_grad(g, x)
#include "autograd/conv.h"

#include <algorithm>

#include "autograd/batch_internal.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/same_padding_internal.h"
#include "autograd/transposed_internal.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "kernels/reduce.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::lacks_batch;
using autograd::record;
using autograd::save_if;
using autograd::with_batch_of_one;
using autograd::without_batch;

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
  if (lacks_batch(x, 4)) return without_batch(conv2d(with_batch_of_one(x), weight, bias, options));
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

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, SamePadding, const Conv2dOptions& options) {
  return autograd::with_same_padding<2>("conv2d", x, weight, options, [&](const Tensor& padded, const auto& o) {
    return conv2d(padded, weight, bias, o);
  });
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTranspose2dOptions& o) {
  constexpr const char* kOp = "conv_transpose2d";
  if (lacks_batch(x, 4)) return without_batch(conv_transpose2d(with_batch_of_one(x), weight, bias, o));
  if (autograd::any_half(x, weight, bias)) {
    kernels::expect_any_floating(kOp, {&x, &weight}, {&bias});
    const kernels::PrecisionScope precision(kernels::Precision::tf32);  // factors of 16 bits are exact in it
    const Tensor y = conv_transpose2d(autograd::in_f32(x), autograd::in_f32(weight), autograd::in_f32(bias), o);
    return autograd::rounded_like(y, x);
  }
  kernels::expect_floating(kOp, {&x, &weight}, {&bias});
  if (x.dim() != 4 || weight.dim() != 4 || x.size(1) != weight.size(0)) {
    throw ShapeError("[conv_transpose2d] expected input (N, C, H, W) and weight (C, K / groups, R, S), got " +
                     x.shape().to_string() + " and " + weight.shape().to_string());
  }
  for (std::size_t d = 0; d < 2; ++d) {
    if (o.stride[d] < 1 || o.dilation[d] < 1) {
      throw ShapeError("[conv_transpose2d] expected a stride and a dilation of at least 1, got " +
                       std::to_string(o.stride[d]) + " and " + std::to_string(o.dilation[d]));
    }
  }
  if (weight.numel() == 0 || x.size(2) < 1 || x.size(3) < 1) {
    throw ShapeError("[conv_transpose2d] expected an image and a weight with elements, got " + x.shape().to_string() +
                     " and " + weight.shape().to_string());
  }
  Shape y{x.size(0), checked_mul(weight.size(1), o.groups, kOp)};
  for (int d = 0; d < 2; ++d) {
    const auto i = static_cast<std::size_t>(d);
    if (o.output_padding[i] < 0 || o.output_padding[i] >= std::max(o.stride[i], o.dilation[i])) {
      throw ShapeError("[conv_transpose2d] expected an output_padding of at least 0 and below the stride " +
                       std::to_string(o.stride[i]) + " or the dilation " + std::to_string(o.dilation[i]) + ", got " +
                       std::to_string(o.output_padding[i]));
    }
    const std::int64_t reach = checked_mul(o.dilation[i], weight.size(2 + d) - 1, kOp);
    const std::int64_t full = checked_add(checked_mul(x.size(2 + d) - 1, o.stride[i], kOp), reach, kOp);
    const std::int64_t size = checked_add(full, o.output_padding[i] + 1, kOp) - checked_mul(2, o.padding[i], kOp);
    if (size < 1) {
      throw ShapeError("[conv_transpose2d] expected a padding that leaves a result, got " +
                       std::to_string(o.padding[i]) + " of " + std::to_string(full + o.output_padding[i] + 1) +
                       " on two sides (input " + x.shape().to_string() + ", weight " + weight.shape().to_string() +
                       ")");
    }
    y.push_back(size);
  }
  if (const auto larger = autograd::zeros_for_output_padding(o)) {
    return conv_transpose2d(pad(x, larger->pads), weight, bias, larger->options);
  }
  const Tensor product = input_grad(x, weight, y, {o.stride, o.padding, o.dilation, o.groups});
  if (!bias.defined()) return product;
  kernels::expect_shape(kOp, "bias", bias, {y[1]});
  return product + reshape(bias, {1, y[1], 1, 1});
}

}  // namespace hop
