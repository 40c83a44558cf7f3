// ConvTranspose1d, ConvTranspose2d, Unfold and Fold.
#include "autograd/conv1d.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/convolution.h"
#include "nn/detail/text.h"
#include "nn/layers/conv.h"

namespace hop::nn {

namespace {

Tensor new_weight(const char* op, std::int64_t in_channels, std::int64_t out_channels, std::int64_t groups,
                  std::initializer_list<std::int64_t> kernel, DType dtype) {
  detail::check_channels(op, in_channels, out_channels, groups);
  Shape shape{in_channels, out_channels / groups};
  for (const std::int64_t size : kernel) {
    detail::check_positive(op, {{"kernel size", size}});
    shape.push_back(size);
  }
  return detail::fresh_weight(shape, dtype);
}

Tensor new_bias(const Parameter& weight, std::int64_t groups) {
  return detail::fresh_weight({weight.size(1) * groups}, weight.dtype());
}

WindowOptions windows(const Size2d& kernel_size, const UnfoldOptions& options) {
  return {kernel_size.array(), options.stride.array(), options.padding.array(), options.dilation.array()};
}

std::string text_of(const WindowOptions& options) {
  return "kernel_size=" + detail::pair_text(options.kernel) + ", dilation=" + detail::pair_text(options.dilation) +
         ", padding=" + detail::pair_text(options.padding) + ", stride=" + detail::pair_text(options.stride);
}

}  // namespace

ConvTranspose2d::ConvTranspose2d(std::int64_t in_channels, std::int64_t out_channels, Size2d kernel_size,
                                 ConvTranspose2dOptions options)
    : weight(register_parameter("weight", new_weight("ConvTranspose2d", in_channels, out_channels, options.groups,
                                                     {kernel_size.height, kernel_size.width}, options.dtype))),
      bias(options.bias ? register_parameter("bias", new_bias(weight, options.groups)) : Parameter()),
      options_{options.stride.array(), options.padding.array(), options.output_padding.array(), options.groups,
               options.dilation.array()} {}

Tensor ConvTranspose2d::forward(const Tensor& x) { return conv_transpose2d(x, weight, bias, options_); }

Tensor ConvTranspose2d::operator()(const Tensor& x, Size2d output_size) {
  return with_hooks(x, [&](const Tensor& input) {
    const auto inputs = detail::last_sizes<2>("ConvTranspose2d", input);
    const std::array kernel = {weight.size(2), weight.size(3)};
    return conv_transpose2d(input, weight, bias,
                            detail::for_output_size("ConvTranspose2d", options_, inputs, kernel, output_size.array()));
  });
}

void ConvTranspose2d::reset_parameters(const ParameterKeys& keys) { detail::reset_convolution(weight, bias, keys); }

std::string ConvTranspose2d::extra_repr() const {
  const std::array<std::int64_t, 2> kernel = {weight.size(2), weight.size(3)}, zero = {0, 0}, one = {1, 1};
  std::string text = std::to_string(weight.size(0)) + ", " + std::to_string(weight.size(1) * options_.groups) +
                     ", kernel_size=" + detail::pair_text(kernel) + ", stride=" + detail::pair_text(options_.stride);
  if (options_.padding != zero) text += ", padding=" + detail::pair_text(options_.padding);
  if (options_.dilation != one) text += ", dilation=" + detail::pair_text(options_.dilation);
  if (options_.output_padding != zero) text += ", output_padding=" + detail::pair_text(options_.output_padding);
  if (options_.groups != 1) text += ", groups=" + std::to_string(options_.groups);
  if (!bias.defined()) text += ", bias=False";
  return text;
}

ConvTranspose1d::ConvTranspose1d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size,
                                 ConvTranspose1dOptions options)
    : weight(register_parameter("weight", new_weight("ConvTranspose1d", in_channels, out_channels, options.groups,
                                                     {kernel_size}, options.dtype))),
      bias(options.bias ? register_parameter("bias", new_bias(weight, options.groups)) : Parameter()),
      options_(options) {}

Tensor ConvTranspose1d::forward(const Tensor& x) {
  kernels::expect_defined("ConvTranspose1d", x);
  if ((x.dim() != 3 && x.dim() != 2) || x.size(-2) != weight.size(0)) {
    throw ShapeError("[ConvTranspose1d] expected (N, C, L) or (C, L) with " + std::to_string(weight.size(0)) +
                     " channels, got " + x.shape().to_string());
  }
  return conv_transpose1d(
      x, weight, bias,
      {options_.stride, options_.padding, options_.output_padding, options_.groups, options_.dilation});
}

Tensor ConvTranspose1d::operator()(const Tensor& x, std::int64_t output_size) {
  return with_hooks(x, [&](const Tensor& input) {
    struct {
      std::array<std::int64_t, 1> stride, padding, dilation, output_padding;
    } const own{{options_.stride}, {options_.padding}, {options_.dilation}, {0}};
    const std::array size = {output_size}, kernel = {weight.size(2)};
    const auto inputs = detail::last_sizes<1>("ConvTranspose1d", input);
    const auto made = detail::for_output_size("ConvTranspose1d", own, inputs, kernel, size);
    return conv_transpose1d(
        input, weight, bias,
        {options_.stride, options_.padding, made.output_padding[0], options_.groups, options_.dilation});
  });
}

void ConvTranspose1d::reset_parameters(const ParameterKeys& keys) { detail::reset_convolution(weight, bias, keys); }

std::string ConvTranspose1d::extra_repr() const {
  const auto single = [](std::int64_t n) { return "(" + std::to_string(n) + ",)"; };
  std::string text = std::to_string(weight.size(0)) + ", " + std::to_string(weight.size(1) * options_.groups) +
                     ", kernel_size=" + single(weight.size(2)) + ", stride=" + single(options_.stride);
  if (options_.padding != 0) text += ", padding=" + single(options_.padding);
  if (options_.dilation != 1) text += ", dilation=" + single(options_.dilation);
  if (options_.output_padding != 0) text += ", output_padding=" + single(options_.output_padding);
  if (options_.groups != 1) text += ", groups=" + std::to_string(options_.groups);
  if (!bias.defined()) text += ", bias=False";
  return text;
}

Unfold::Unfold(Size2d kernel_size, UnfoldOptions options) : options_(windows(kernel_size, options)) {}

std::string Unfold::extra_repr() const { return text_of(options_); }

Fold::Fold(Size2d output_size, Size2d kernel_size, UnfoldOptions options)
    : output_size_(output_size), options_(windows(kernel_size, options)) {}

std::string Fold::extra_repr() const {
  return "output_size=" + detail::pair_text(output_size_.array()) + ", " + text_of(options_);
}

}  // namespace hop::nn
