#include "autograd/conv1d.h"

#include <string>

#include "autograd/batch_internal.h"
#include "autograd/composed_internal.h"
#include "autograd/conv.h"
#include "autograd/view.h"

namespace hop {

using autograd::expected;

namespace {

/// x (N, C, L) and a weight of three dimensions.
void expect_lines(const char* op, const Tensor& x, const Tensor& weight) {
  kernels::expect_any_floating(op, {&x, &weight});
  if (x.dim() == 3 && weight.dim() == 3) return;
  throw ShapeError(expected(op) + "input (N, C, L) or (C, L) and a weight of three dimensions, got " +
                   x.shape().to_string() + " and " + weight.shape().to_string());
}

Conv2dOptions flat(const Conv1dOptions& o) { return {{1, o.stride}, {0, o.padding}, {1, o.dilation}, o.groups}; }

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& options) {
  if (autograd::lacks_batch(x, 3))
    return autograd::without_batch(conv1d(autograd::with_batch_of_one(x), weight, bias, options));
  expect_lines("conv1d", x, weight);
  return squeeze(conv2d(unsqueeze(x, 2), unsqueeze(weight, 2), bias, flat(options)), 2);
}

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, SamePadding padding,
              const Conv1dOptions& options) {
  if (autograd::lacks_batch(x, 3))
    return autograd::without_batch(conv1d(autograd::with_batch_of_one(x), weight, bias, padding, options));
  expect_lines("conv1d", x, weight);
  return squeeze(conv2d(unsqueeze(x, 2), unsqueeze(weight, 2), bias, padding, flat(options)), 2);
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTranspose1dOptions& o) {
  if (autograd::lacks_batch(x, 3))
    return autograd::without_batch(conv_transpose1d(autograd::with_batch_of_one(x), weight, bias, o));
  expect_lines("conv_transpose1d", x, weight);
  const ConvTranspose2dOptions flat{{1, o.stride}, {0, o.padding}, {0, o.output_padding}, o.groups, {1, o.dilation}};
  return squeeze(conv_transpose2d(unsqueeze(x, 2), unsqueeze(weight, 2), bias, flat), 2);
}

}  // namespace hop
