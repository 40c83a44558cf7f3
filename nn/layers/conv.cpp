// Conv1d and Conv2d. (The transposed ones are in conv_transpose.cpp, those of volumes in conv3d.cpp.)
#include "nn/layers/conv.h"

#include "autograd/conv.h"
#include "autograd/pad.h"
#include "autograd/view.h"
#include "kernels/expect_internal.h"
#include "nn/detail/convolution.h"
#include "nn/detail/text.h"

namespace hop::nn {

namespace {

Tensor new_weight(std::int64_t in_channels, std::int64_t out_channels, const Size2d& kernel_size,
                  const Conv2dOptions& options) {
  detail::check_positive("Conv2d", {{"kernel height", kernel_size.height}, {"kernel width", kernel_size.width}});
  detail::check_channels("Conv2d", in_channels, out_channels, options.groups);
  if (options.padding.is_same) detail::check_same("Conv2d", options.stride == Size2d(1));
  const Shape shape{out_channels, in_channels / options.groups, kernel_size.height, kernel_size.width};
  return detail::fresh_weight(shape, options.dtype);
}

Tensor new_weight(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size,
                  const Conv1dOptions& options) {
  detail::check_positive("Conv1d",
                         {{"kernel_size", kernel_size}, {"stride", options.stride}, {"dilation", options.dilation}});
  detail::check_channels("Conv1d", in_channels, out_channels, options.groups);
  if (options.padding.is_same) detail::check_same("Conv1d", options.stride == 1);
  return detail::fresh_weight({out_channels, in_channels / options.groups, kernel_size}, options.dtype);
}

}  // namespace

Conv2d::Conv2d(std::int64_t in_channels, std::int64_t out_channels, Size2d kernel_size, Conv2dOptions options)
    : weight(register_parameter("weight", new_weight(in_channels, out_channels, kernel_size, options))),
      bias(options.bias ? register_parameter("bias", detail::fresh_weight({out_channels}, options.dtype))
                        : Parameter()),
      options_{options.stride.array(), options.padding.size.array(), options.dilation.array(), options.groups},
      is_same_(options.padding.is_same) {
  if (!is_same_) return;
  const std::array<std::int64_t, 2> kernel = kernel_size.array();
  std::array<std::int64_t, 2> zeros{};
  for (std::size_t i = 0; i < 2; ++i) zeros[i] = checked_mul(options_.dilation[i], kernel[i] - 1, "Conv2d");
  if (zeros[0] % 2 == 0 && zeros[1] % 2 == 0) {
    options_.padding = {zeros[0] / 2, zeros[1] / 2};
  } else {
    for (const std::size_t i : {1U, 0U}) pads_.insert(pads_.end(), {zeros[i] / 2, zeros[i] - zeros[i] / 2});
  }
}

Tensor Conv2d::forward(const Tensor& x) { return conv2d(pads_.empty() ? x : pad(x, pads_), weight, bias, options_); }

void Conv2d::reset_parameters(const ParameterKeys& keys) { detail::reset_convolution(weight, bias, keys); }

std::string Conv2d::extra_repr() const {
  const std::array<std::int64_t, 2> kernel = {weight.size(2), weight.size(3)}, zero = {0, 0}, one = {1, 1};
  std::string text = std::to_string(weight.size(1) * options_.groups) + ", " + std::to_string(weight.size(0)) +
                     ", kernel_size=" + detail::pair_text(kernel) + ", stride=" + detail::pair_text(options_.stride);
  if (is_same_) text += ", padding=same";
  if (!is_same_ && options_.padding != zero) text += ", padding=" + detail::pair_text(options_.padding);
  if (options_.dilation != one) text += ", dilation=" + detail::pair_text(options_.dilation);
  if (options_.groups != 1) text += ", groups=" + std::to_string(options_.groups);
  if (!bias.defined()) text += ", bias=False";
  return text;
}

Conv1d::Conv1d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size, Conv1dOptions options)
    : weight(register_parameter("weight", new_weight(in_channels, out_channels, kernel_size, options))),
      bias(options.bias ? register_parameter("bias", detail::fresh_weight({out_channels}, options.dtype))
                        : Parameter()),
      options_(options) {}

Tensor Conv1d::forward(const Tensor& x) {
  kernels::expect_defined("Conv1d", x);
  if (x.dim() != 3 || x.size(1) != weight.size(1) * options_.groups) {
    throw ShapeError("[Conv1d] expected (N, C, L) with " + std::to_string(weight.size(1) * options_.groups) +
                     " channels, got " + x.shape().to_string());
  }
  const std::int64_t zeros = checked_mul(options_.dilation, weight.size(2) - 1, "Conv1d");  // of kSame
  const bool is_odd = options_.padding.is_same && zeros % 2 != 0;
  const std::int64_t padding = is_odd ? 0 : options_.padding.is_same ? zeros / 2 : options_.padding.size;
  const hop::Conv2dOptions flat{{1, options_.stride}, {0, padding}, {1, options_.dilation}, options_.groups};
  const Tensor input = is_odd ? pad(x, {zeros / 2, zeros - zeros / 2}) : x;
  return squeeze(conv2d(unsqueeze(input, 2), unsqueeze(weight, 2), bias, flat), 2);
}

void Conv1d::reset_parameters(const ParameterKeys& keys) { detail::reset_convolution(weight, bias, keys); }

std::string Conv1d::extra_repr() const {
  const auto single = [](std::int64_t n) { return "(" + std::to_string(n) + ",)"; };
  std::string text = std::to_string(weight.size(1) * options_.groups) + ", " + std::to_string(weight.size(0)) +
                     ", kernel_size=" + single(weight.size(2)) + ", stride=" + single(options_.stride);
  if (options_.padding.is_same) text += ", padding=same";
  if (options_.padding.size != 0) text += ", padding=" + single(options_.padding.size);
  if (options_.dilation != 1) text += ", dilation=" + single(options_.dilation);
  if (options_.groups != 1) text += ", groups=" + std::to_string(options_.groups);
  if (!bias.defined()) text += ", bias=False";
  return text;
}

}  // namespace hop::nn
