// Conv1d and Conv2d. (The transposed ones are in conv_transpose.cpp, those of volumes in conv3d.cpp.)
#include "nn/layers/conv.h"

#include "autograd/conv1d.h"
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
      padding_(options.padding),
      padding_mode_(options.padding_mode),
      options_{options.stride.array(), {0, 0}, options.dilation.array(), options.groups} {
  const detail::Surroundings<2> around("Conv2d", options.padding.size.array(), options.padding.is_same, padding_mode_,
                                       kernel_size.array(), options_.dilation);
  options_.padding = around.padding;
  pads_ = around.pads;
}

Tensor Conv2d::forward(const Tensor& x) {
  return conv2d(detail::surrounded(x, pads_, padding_mode_), weight, bias, options_);
}

void Conv2d::reset_parameters(const ParameterKeys& keys) { detail::reset_convolution(weight, bias, keys); }

std::string Conv2d::extra_repr() const {
  const std::array<std::int64_t, 2> kernel = {weight.size(2), weight.size(3)}, one = {1, 1};
  std::string text = std::to_string(weight.size(1) * options_.groups) + ", " + std::to_string(weight.size(0)) +
                     ", kernel_size=" + detail::pair_text(kernel) + ", stride=" + detail::pair_text(options_.stride);
  if (padding_.is_same) text += ", padding=same";
  if (!padding_.is_same && padding_.size != Size2d(0)) text += ", padding=" + detail::pair_text(padding_.size.array());
  if (options_.dilation != one) text += ", dilation=" + detail::pair_text(options_.dilation);
  if (options_.groups != 1) text += ", groups=" + std::to_string(options_.groups);
  if (!bias.defined()) text += ", bias=False";
  return text + detail::padding_mode_text(padding_mode_);
}

Conv1d::Conv1d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size, Conv1dOptions options)
    : weight(register_parameter("weight", new_weight(in_channels, out_channels, kernel_size, options))),
      bias(options.bias ? register_parameter("bias", detail::fresh_weight({out_channels}, options.dtype))
                        : Parameter()),
      options_(options) {
  const detail::Surroundings<1> around("Conv1d", {options.padding.size}, options.padding.is_same, options.padding_mode,
                                       {kernel_size}, {options.dilation});
  zeros_ = around.padding[0];
  pads_ = around.pads;
}

Tensor Conv1d::forward(const Tensor& x) {
  kernels::expect_defined("Conv1d", x);
  const std::int64_t channels = weight.size(1) * options_.groups;
  if ((x.dim() != 3 && x.dim() != 2) || x.size(-2) != channels) {
    throw ShapeError("[Conv1d] expected (N, C, L) or (C, L) with " + std::to_string(channels) + " channels, got " +
                     x.shape().to_string());
  }
  return conv1d(detail::surrounded(x, pads_, options_.padding_mode), weight, bias,
                {options_.stride, zeros_, options_.dilation, options_.groups});
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
  return text + detail::padding_mode_text(options_.padding_mode);
}

}  // namespace hop::nn
