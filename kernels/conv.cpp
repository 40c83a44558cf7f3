#include "kernels/conv.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "kernels/conv_operations.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/half_internal.h"
#include "kernels/layout_internal.h"

namespace hop::kernels {
namespace {

/// The largest stride, padding and dilated kernel: oneDNN and our CUDA kernels add products of them in 32 bits.
constexpr std::int64_t kMost = std::int64_t{1} << 24;

void check_options(const Conv2dOptions& o) {
  const auto pair = [](const char* name, const std::array<std::int64_t, 2>& v, std::int64_t least) {
    if (std::min(v[0], v[1]) >= least && std::max(v[0], v[1]) <= kMost) return;
    throw ShapeError("[conv2d] expected " + std::string(name) + " from " + std::to_string(least) + " to " +
                     std::to_string(kMost) + ", got (" + std::to_string(v[0]) + ", " + std::to_string(v[1]) + ")");
  };
  pair("stride", o.stride, 1);
  pair("padding", o.padding, 0);
  pair("dilation", o.dilation, 1);
  if (o.groups < 1) throw ShapeError("[conv2d] expected at least 1 group, got " + std::to_string(o.groups));
}

/// A fresh image like `x`. In f32 it has channels last if that saves conversions: a function of device and shape alone.
/// Images of few channels (pictures, their gradients) stay planes, as users expect.
Tensor empty_image(const Tensor& x, const Shape& shape) {
  const bool last = keeps_channels_last(x.device()) && x.dtype() == DType::f32 && shape[1] > 4;
  return empty_in(last ? Layout::channels_last : Layout::contiguous, shape, x.dtype(), x.device());
}

/// x in a layout that devices read; any other layout is copied.
Tensor dense(const Tensor& x) {
  if (x.dtype() != DType::f32) return contiguous(x);
  return is_channels_last(x) ? x : in_layout(copied_layout(x), x);
}

/// Whether the result for x shall have channels last although the device computes it on planes: in f64, as x has.
bool turns_result(const Tensor& x) { return x.dtype() == DType::f64 && kept_layout(x) == Layout::channels_last; }

void run(ConvPass pass, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y,
         const Conv2dOptions& options) {
  const Shape &in = x.shape(), &kernel = weight.shape(), &out = y.shape();
  const ConvSizes sizes{in[0], in[1], in[2], in[3], kernel[0], kernel[2], kernel[3], out[2], out[3], options};
  operations<ConvOperations>(x).conv2d(pass, sizes, x, weight, bias, y);
}

}  // namespace

Shape conv2d_shape(const Shape& x, const Shape& weight, const Conv2dOptions& options) {
  check_options(options);
  const std::string context = " (input " + x.to_string() + ", weight " + weight.to_string() + ")";
  if (x.size() != 4 || weight.size() != 4) {
    throw ShapeError("[conv2d] expected input (N, C, H, W) and weight (K, C / groups, R, S), got " + x.to_string() +
                     " and " + weight.to_string());
  }
  if (weight.numel() == 0) throw ShapeError("[conv2d] expected a weight with elements, got " + weight.to_string());
  const std::int64_t channels = checked_mul(weight[1], options.groups, "conv2d");
  if (x[1] != channels) {
    throw ShapeError("[conv2d] expected " + std::to_string(channels) + " input channels, got " + std::to_string(x[1]) +
                     context);
  }
  if (weight[0] % options.groups != 0) {
    throw ShapeError("[conv2d] expected output channels in " + std::to_string(options.groups) + " equal groups, got " +
                     std::to_string(weight[0]) + context);
  }
  Shape y{x[0], weight[0]};
  for (int d = 0; d < 2; ++d) {
    const auto i = static_cast<std::size_t>(d);
    const std::int64_t room = checked_add(x[2 + d], checked_mul(2, options.padding[i], "conv2d"), "conv2d");
    const std::int64_t reach = checked_add(checked_mul(options.dilation[i], weight[2 + d] - 1, "conv2d"), 1, "conv2d");
    if (reach > kMost) {
      throw ShapeError("[conv2d] expected a dilated kernel of at most " + std::to_string(kMost) + ", got " +
                       std::to_string(reach) + context);
    }
    if (room < reach) {
      throw ShapeError("[conv2d] expected an image of at least the kernel's size " + std::to_string(reach) + ", got " +
                       std::to_string(room) + " with padding" + context);
    }
    y.push_back((room - reach) / options.stride[i] + 1);
  }
  return y;
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  expect_any_floating("conv2d", {&x, &weight}, {&bias});
  if (is_half(x)) {
    // bf16 on CUDA rounds the result before the bias is added. Factors of bf16 are exact in tf32, too.
    const PrecisionScope precision(bias.defined() ? Precision::tf32 : exact_precision(x.dtype()));
    return narrowed("conv2d", conv2d(widened(x), widened(weight), widened(bias), options), x.dtype());
  }
  if (turns_result(x)) return in_layout(Layout::channels_last, conv2d(contiguous(x), weight, bias, options));
  const Tensor y = empty_image(x, conv2d_shape(x.shape(), weight.shape(), options));
  if (bias.defined()) expect_shape("conv2d", "bias", bias, {weight.shape()[0]});
  const Tensor b = bias.defined() ? contiguous(bias) : bias;
  if (y.numel() != 0) run(ConvPass::forward, dense(x), contiguous(weight), b, y, options);
  return y;
}

Tensor conv2d_input_grad(const Tensor& g, const Tensor& weight, const Shape& x_shape, const Conv2dOptions& options) {
  constexpr const char* kOp = "conv2d input gradient";
  expect_any_floating(kOp, {&g, &weight});
  if (is_half(g)) {
    const PrecisionScope precision(exact_precision(g.dtype()));
    return narrowed(kOp, conv2d_input_grad(widened(g), widened(weight), x_shape, options), g.dtype());
  }
  expect_shape(kOp, "g", g, conv2d_shape(x_shape, weight.shape(), options));
  if (turns_result(g))
    return in_layout(Layout::channels_last, conv2d_input_grad(contiguous(g), weight, x_shape, options));
  const Tensor dx = empty_image(g, x_shape);
  if (dx.numel() != 0) run(ConvPass::input_grad, dx, contiguous(weight), {}, dense(g), options);
  return dx;
}

Tensor conv2d_weight_grad(const Tensor& g, const Tensor& x, const Shape& weight_shape, const Conv2dOptions& options,
                          const Tensor& out) {
  constexpr const char* kOp = "conv2d weight gradient";
  expect_any_floating(kOp, {&g, &x});
  if (is_half(g)) {
    const PrecisionScope precision(exact_precision(g.dtype()));
    return narrowed(kOp, conv2d_weight_grad(widened(g), widened(x), weight_shape, options), g.dtype(), out);
  }
  expect_shape(kOp, "g", g, conv2d_shape(x.shape(), weight_shape, options));
  const Tensor dw = result_in(kOp, out, weight_shape, g.dtype(), g.device());
  if (g.numel() == 0) {
    fill_(dw, 0);
    return dw;
  }
  run(ConvPass::weight_grad, dense(x), dw, {}, dense(g), options);
  return dw;
}

}  // namespace hop::kernels
