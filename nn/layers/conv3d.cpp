#include "nn/layers/conv3d.h"

#include "autograd/pad.h"
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
      options_{options.stride.sizes, options.padding.size.sizes, options.dilation.sizes, options.groups},
      is_same_(options.padding.is_same) {
  if (!is_same_) return;
  bool is_even = true;
  for (std::size_t d = 0; d < 3; ++d) {
    const std::int64_t zeros = checked_mul(options_.dilation[d], kernel_size.sizes[d] - 1, "Conv3d");
    is_even &= zeros % 2 == 0;
    options_.padding[d] = zeros / 2;
    pads_.insert(pads_.begin(), {zeros / 2, zeros - zeros / 2});  // pad() counts from the last dimension
  }
  if (is_even) {
    pads_.clear();
  } else {
    options_.padding = {0, 0, 0};
  }
}

Tensor Conv3d::forward(const Tensor& x) { return conv3d(pads_.empty() ? x : pad(x, pads_), weight, bias, options_); }

void Conv3d::reset_parameters(const ParameterKeys& keys) { detail::reset_convolution(weight, bias, keys); }

std::string Conv3d::extra_repr() const {
  return text_of(weight.size(1) * options_.groups, weight.size(0), weight, options_.stride) +
         (is_same_ ? ", padding=same" : text_of("padding", options_.padding, 0)) +
         text_of("dilation", options_.dilation, 1) + text_of(options_.groups, bias);
}

ConvTranspose3d::ConvTranspose3d(std::int64_t in_channels, std::int64_t out_channels, Size3d kernel_size,
                                 ConvTranspose3dOptions options)
    : weight(register_parameter("weight", new_weight(in_channels, out_channels, kernel_size, options))),
      bias(options.bias ? register_parameter("bias", detail::fresh_weight({out_channels}, options.dtype))
                        : Parameter()),
      options_{options.stride.sizes, options.padding.sizes, options.output_padding.sizes, options.groups,
               options.dilation.sizes} {}

Tensor ConvTranspose3d::forward(const Tensor& x) { return conv_transpose3d(x, weight, bias, options_); }

void ConvTranspose3d::reset_parameters(const ParameterKeys& keys) { detail::reset_convolution(weight, bias, keys); }

std::string ConvTranspose3d::extra_repr() const {
  return text_of(weight.size(0), weight.size(1) * options_.groups, weight, options_.stride) +
         text_of("padding", options_.padding, 0) + text_of("dilation", options_.dilation, 1) +
         text_of("output_padding", options_.output_padding, 0) + text_of(options_.groups, bias);
}

}  // namespace hop::nn
