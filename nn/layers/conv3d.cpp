#include "nn/layers/conv3d.h"

#include "nn/detail/convolution.h"
#include "nn/detail/text.h"

namespace hop::nn {

namespace {

Tensor new_weight(const char* op, std::int64_t first, std::int64_t second, const Size3d& kernel, DType dtype) {
  const auto [depth, height, width] = kernel.sizes;
  detail::check_positive(op, {{"kernel depth", depth}, {"kernel height", height}, {"kernel width", width}});
  return detail::fresh_weight({first, second, depth, height, width}, dtype);
}

/// (out, in / groups, ..)
Tensor new_weight(std::int64_t in_channels, std::int64_t out_channels, const Size3d& kernel,
                  const Conv3dOptions& options) {
  detail::check_channels("Conv3d", in_channels, out_channels, options.groups);
  if (options.padding.is_same) detail::check_same("Conv3d", options.stride == Size3d(1));
  return new_weight("Conv3d", out_channels, in_channels / options.groups, kernel, options.dtype);
}

/// (in, out / groups, ..)
Tensor new_weight(std::int64_t in_channels, std::int64_t out_channels, const Size3d& kernel,
                  const ConvTranspose3dOptions& options) {
  detail::check_channels("ConvTranspose3d", in_channels, out_channels, options.groups);
  return new_weight("ConvTranspose3d", in_channels, out_channels / options.groups, kernel, options.dtype);
}

/// The channels, the kernel and the stride. `in` and `out` are those of the layer.
std::string text_of(std::int64_t in, std::int64_t out, const Parameter& weight,
                    const std::array<std::int64_t, 3>& stride) {
  const std::array<std::int64_t, 3> kernel = {weight.size(2), weight.size(3), weight.size(4)};
  return std::to_string(in) + ", " + std::to_string(out) + ", kernel_size=" + detail::tuple_text(kernel) +
         ", stride=" + detail::tuple_text(stride);
}

/// ", name=(1, 2, 3)", unless all three have their default.
std::string text_of(const char* name, const std::array<std::int64_t, 3>& sizes, std::int64_t fallback) {
  if (Size3d(fallback).sizes == sizes) return "";
  return std::string(", ") + name + "=" + detail::tuple_text(sizes);
}

std::string text_of(std::int64_t groups, const Parameter& bias) {
  return (groups == 1 ? "" : ", groups=" + std::to_string(groups)) + (bias.defined() ? "" : ", bias=False");
}

}  // namespace

Conv3d::Conv3d(std::int64_t in_channels, std::int64_t out_channels, Size3d kernel_size, Conv3dOptions options)
    : weight(register_parameter("weight", new_weight(in_channels, out_channels, kernel_size, options))),
      bias(options.bias ? register_parameter("bias", detail::fresh_weight({out_channels}, options.dtype))
                        : Parameter()),
      padding_(options.padding),
      padding_mode_(options.padding_mode),
      options_{options.stride.sizes, {0, 0, 0}, options.dilation.sizes, options.groups} {
  const detail::Surroundings<3> around("Conv3d", options.padding.size.sizes, options.padding.is_same, padding_mode_,
                                       kernel_size.sizes, options_.dilation);
  options_.padding = around.padding;
  pads_ = around.pads;
}

Tensor Conv3d::forward(const Tensor& x) {
  return conv3d(detail::surrounded(x, pads_, padding_mode_), weight, bias, options_);
}

void Conv3d::reset_parameters(const ParameterKeys& keys) { detail::reset_convolution(weight, bias, keys); }

std::string Conv3d::extra_repr() const {
  return text_of(weight.size(1) * options_.groups, weight.size(0), weight, options_.stride) +
         (padding_.is_same ? ", padding=same" : text_of("padding", padding_.size.sizes, 0)) +
         text_of("dilation", options_.dilation, 1) + text_of(options_.groups, bias) +
         detail::padding_mode_text(padding_mode_);
}

ConvTranspose3d::ConvTranspose3d(std::int64_t in_channels, std::int64_t out_channels, Size3d kernel_size,
                                 ConvTranspose3dOptions options)
    : weight(register_parameter("weight", new_weight(in_channels, out_channels, kernel_size, options))),
      bias(options.bias ? register_parameter("bias", detail::fresh_weight({out_channels}, options.dtype))
                        : Parameter()),
      options_{options.stride.sizes, options.padding.sizes, options.output_padding.sizes, options.groups,
               options.dilation.sizes} {}

Tensor ConvTranspose3d::forward(const Tensor& x) { return conv_transpose3d(x, weight, bias, options_); }

Tensor ConvTranspose3d::operator()(const Tensor& x, Size3d output_size) {
  return with_hooks(x, [&](const Tensor& input) {
    const auto inputs = detail::last_sizes<3>("ConvTranspose3d", input);
    const std::array kernel = {weight.size(2), weight.size(3), weight.size(4)};
    return conv_transpose3d(input, weight, bias,
                            detail::for_output_size("ConvTranspose3d", options_, inputs, kernel, output_size.sizes));
  });
}

void ConvTranspose3d::reset_parameters(const ParameterKeys& keys) { detail::reset_convolution(weight, bias, keys); }

std::string ConvTranspose3d::extra_repr() const {
  return text_of(weight.size(0), weight.size(1) * options_.groups, weight, options_.stride) +
         text_of("padding", options_.padding, 0) + text_of("dilation", options_.dilation, 1) +
         text_of("output_padding", options_.output_padding, 0) + text_of(options_.groups, bias);
}

}  // namespace hop::nn
