#include "autograd/conv3d.h"

#include <algorithm>
#include <string>
#include <vector>

#include "autograd/batch_internal.h"
#include "autograd/composed_internal.h"
#include "autograd/conv.h"
#include "autograd/copy.h"
#include "autograd/half_internal.h"
#include "autograd/index.h"
#include "autograd/pad.h"
#include "autograd/same_padding_internal.h"
#include "autograd/transposed_internal.h"
#include "autograd/view.h"
#include "kernels/copy.h"
#include "kernels/view.h"

namespace hop {

using autograd::any_half;
using autograd::expected;
using autograd::in_f32;
using autograd::lacks_batch;
using autograd::rounded_like;
using autograd::with_batch_of_one;
using autograd::without_batch;

namespace {

using Sizes = std::array<std::int64_t, 3>;

std::string text(const Sizes& sizes) {
  return "(" + std::to_string(sizes[0]) + ", " + std::to_string(sizes[1]) + ", " + std::to_string(sizes[2]) + ")";
}

std::string context(const Tensor& x, const Tensor& weight) {
  return " (input " + x.shape().to_string() + ", weight " + weight.shape().to_string() + ")";
}

void expect_at_least(const char* op, const char* name, const Sizes& sizes, std::int64_t least) {
  for (const std::int64_t size : sizes) {
    if (size >= least) continue;
    throw ShapeError(expected(op) + name + " of at least " + std::to_string(least) + ", got " + text(sizes));
  }
}

/// x (N, C, D, H, W) and a weight (.., .., T, R, S) with elements.
void expect_volumes(const char* op, const Tensor& x, const Tensor& weight, const char* weight_form) {
  if (x.dim() != 5 || weight.dim() != 5 || weight.numel() == 0) {
    throw ShapeError(expected(op) + "input (N, C, D, H, W) and a weight " + weight_form + " with elements, got " +
                     x.shape().to_string() + " and " + weight.shape().to_string());
  }
}

/// How far the taps of a kernel reach along each dimension, less 1.
Sizes reach_of(const char* op, const Tensor& weight, const Sizes& dilation) {
  Sizes reach{};
  for (std::size_t d = 0; d < 3; ++d) {
    reach[d] = checked_mul(dilation[d], weight.size(static_cast<std::int64_t>(d) + 2) - 1, op);
  }
  return reach;
}

/// The last two of three sizes.
std::array<std::int64_t, 2> of_image(const Sizes& sizes) { return {sizes[1], sizes[2]}; }

/// weight (A, B, T, R, S) -> (A, B T, R, S)
Tensor as_kernel_of_images(const Tensor& weight) {
  return reshape(weight, {weight.size(0), weight.size(1) * weight.size(2), weight.size(3), weight.size(4)});
}

/// (N, C, D, H, W) <-> (N, D, C, H, W)
Tensor swapped(const Tensor& x) { return transpose(x, 1, 2); }

}  // namespace

Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv3dOptions& o) {
  constexpr const char* kOp = "conv3d";
  if (lacks_batch(x, 5)) return without_batch(conv3d(with_batch_of_one(x), weight, bias, o));
  if (any_half(x, weight, bias)) {
    kernels::expect_any_floating(kOp, {&x, &weight}, {&bias});
    const kernels::PrecisionScope precision(kernels::Precision::tf32);  // factors of 16 bits are exact in it
    return rounded_like(conv3d(in_f32(x), in_f32(weight), in_f32(bias), o), x);
  }
  kernels::expect_floating(kOp, {&x, &weight}, {&bias});
  expect_volumes(kOp, x, weight, "(K, C / groups, T, R, S)");
  expect_at_least(kOp, "strides", o.stride, 1);
  expect_at_least(kOp, "padding", o.padding, 0);
  expect_at_least(kOp, "dilations", o.dilation, 1);
  if (o.groups < 1 || weight.size(0) % o.groups != 0 || x.size(1) != checked_mul(weight.size(1), o.groups, kOp)) {
    throw ShapeError(expected(kOp) + "C = " + std::to_string(weight.size(1)) + " groups input channels and K in " +
                     std::to_string(o.groups) + " equal groups" + context(x, weight));
  }
  if (bias.defined()) kernels::expect_shape(kOp, "bias", bias, {weight.size(0)});
  const Sizes reach = reach_of(kOp, weight, o.dilation);
  Sizes size{};
  for (std::size_t d = 0; d < 3; ++d) {
    const std::int64_t zeros = checked_mul(2, o.padding[d], kOp);
    const std::int64_t room = checked_add(x.size(static_cast<std::int64_t>(d) + 2), zeros, kOp) - 1;
    if (room < reach[d]) {
      throw ShapeError(expected(kOp) + "a volume of at least the kernel's size " +
                       std::to_string(checked_add(reach[d], 1, kOp)) + ", got " + std::to_string(room + 1) +
                       " with padding" + context(x, weight));
    }
    size[d] = (room - reach[d]) / o.stride[d] + 1;
  }

  const Tensor padded = swapped(o.padding[0] == 0 ? x : pad(x, {0, 0, 0, 0, o.padding[0], o.padding[0]}));
  const std::int64_t taps = weight.size(2), end = (size[0] - 1) * o.stride[0] + 1;
  std::vector<Tensor> planes;  // of each tap: (N, O, C, H, W)
  for (std::int64_t t = 0; t < taps; ++t) {
    planes.push_back(slice(padded, 1, t * o.dilation[0], t * o.dilation[0] + end, o.stride[0]));
  }
  const Tensor images = reshape(stack(planes, 3), {x.size(0) * size[0], x.size(1) * taps, x.size(3), x.size(4)});
  const Tensor y = conv2d(images, as_kernel_of_images(weight), bias,
                          {of_image(o.stride), of_image(o.padding), of_image(o.dilation), o.groups});
  return swapped(reshape(y, {x.size(0), size[0], y.size(1), y.size(2), y.size(3)}));
}

Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, SamePadding, const Conv3dOptions& options) {
  return autograd::with_same_padding<3>("conv3d", x, weight, options, [&](const Tensor& padded, const auto& o) {
    return conv3d(padded, weight, bias, o);
  });
}

Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTranspose3dOptions& o) {
  constexpr const char* kOp = "conv_transpose3d";
  if (lacks_batch(x, 5)) return without_batch(conv_transpose3d(with_batch_of_one(x), weight, bias, o));
  if (any_half(x, weight, bias)) {
    kernels::expect_any_floating(kOp, {&x, &weight}, {&bias});
    const kernels::PrecisionScope precision(kernels::Precision::tf32);  // factors of 16 bits are exact in it
    return rounded_like(conv_transpose3d(in_f32(x), in_f32(weight), in_f32(bias), o), x);
  }
  kernels::expect_floating(kOp, {&x, &weight}, {&bias});
  expect_volumes(kOp, x, weight, "(C, K / groups, T, R, S)");
  expect_at_least(kOp, "strides", o.stride, 1);
  expect_at_least(kOp, "padding", o.padding, 0);
  expect_at_least(kOp, "dilations", o.dilation, 1);
  expect_at_least(kOp, "output_padding", o.output_padding, 0);
  if (o.groups < 1 || x.size(1) % o.groups != 0 || x.size(1) != weight.size(0)) {
    throw ShapeError(expected(kOp) + "C input channels in " + std::to_string(o.groups) + " equal groups" +
                     context(x, weight));
  }
  const Sizes reach = reach_of(kOp, weight, o.dilation);
  Sizes full{};  // before the padding is cut
  for (std::size_t d = 0; d < 3; ++d) {
    const std::int64_t n = x.size(static_cast<std::int64_t>(d) + 2);
    if (n < 1 || o.output_padding[d] >= std::max(o.stride[d], o.dilation[d])) {
      throw ShapeError(expected(kOp) + "a volume with elements and an output_padding below the stride " +
                       text(o.stride) + " or the dilation " + text(o.dilation) + ", got " + text(o.output_padding) +
                       context(x, weight));
    }
    full[d] =
        checked_add(checked_add(checked_mul(n - 1, o.stride[d], kOp), reach[d], kOp), o.output_padding[d] + 1, kOp);
    if (full[d] - checked_mul(2, o.padding[d], kOp) < 1) {
      throw ShapeError(expected(kOp) + "a padding that leaves a result, got " + std::to_string(o.padding[d]) + " of " +
                       std::to_string(full[d]) + " on two sides" + context(x, weight));
    }
  }
  const std::int64_t channels = checked_mul(weight.size(1), o.groups, kOp), taps = weight.size(2);
  if (bias.defined()) kernels::expect_shape(kOp, "bias", bias, {channels});
  if (const auto larger = autograd::zeros_for_output_padding(o)) {
    return conv_transpose3d(pad(x, larger->pads), weight, bias, larger->options);
  }

  const std::int64_t n = x.size(0), depth = x.size(2);
  const Tensor images = reshape(swapped(x), {n * depth, x.size(1), x.size(3), x.size(4)});
  const Tensor y = conv_transpose2d(
      images, as_kernel_of_images(weight), {},
      {of_image(o.stride), of_image(o.padding), of_image(o.output_padding), o.groups, of_image(o.dilation)});
  // Each plane and tap has its place in the depth of the result.
  const Tensor planes = reshape(transpose(reshape(y, {n, depth, channels, taps, y.size(2), y.size(3)}), 2, 3),
                                {n, depth * taps, channels, y.size(2), y.size(3)});
  const Tensor first = kernels::mul(kernels::arange(depth, DType::i64, x.device()), o.stride[0]);
  const Tensor after = kernels::mul(kernels::arange(taps, DType::i64, x.device()), o.dilation[0]);
  const Tensor place = reshape(kernels::add(kernels::unsqueeze(first, 1), after), {depth * taps});
  const Tensor nothing = zeros({n, full[0], channels, y.size(2), y.size(3)}, x.dtype(), x.device());
  const Tensor sums = slice(index_add(nothing, 1, place, planes), 1, o.padding[0], full[0] - o.padding[0]);
  const Tensor volume = swapped(sums);
  return bias.defined() ? volume + reshape(bias, {channels, 1, 1, 1}) : volume;
}

}  // namespace hop
