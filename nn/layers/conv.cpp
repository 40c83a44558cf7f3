#include "nn/layers/conv.h"

#include <cmath>

#include "autograd/conv.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"
#include "nn/init.h"

namespace hop::nn {

namespace {

Tensor new_weight(std::int64_t in_channels, std::int64_t out_channels, const Size2d& kernel_size,
                  const Conv2dOptions& options) {
  detail::check_positive("Conv2d", {{"in_channels", in_channels},
                                    {"out_channels", out_channels},
                                    {"kernel height", kernel_size.height},
                                    {"kernel width", kernel_size.width},
                                    {"groups", options.groups}});
  if (in_channels % options.groups != 0 || out_channels % options.groups != 0) {
    throw ConfigError("[Conv2d] expected channels divisible by groups, got " + std::to_string(in_channels) + " and " +
                      std::to_string(out_channels) + " for " + std::to_string(options.groups) + " groups");
  }
  const Shape shape{out_channels, in_channels / options.groups, kernel_size.height, kernel_size.width};
  return detail::fresh_weight(shape, options.dtype);
}

}  // namespace

Conv2d::Conv2d(std::int64_t in_channels, std::int64_t out_channels, Size2d kernel_size, Conv2dOptions options)
    : weight(register_parameter("weight", new_weight(in_channels, out_channels, kernel_size, options))),
      bias(options.bias ? register_parameter("bias", detail::fresh_weight({out_channels}, options.dtype))
                        : Parameter()),
      options_{options.stride.array(), options.padding.array(), options.dilation.array(), options.groups} {}

Tensor Conv2d::forward(const Tensor& x) { return conv2d(x, weight, bias, options_); }

void Conv2d::reset_parameters(const ParameterKeys& keys) {
  init::kaiming_uniform_(weight, keys["weight"], {.a = std::sqrt(5.0)});
  if (!bias.defined()) return;
  const double bound = 1 / std::sqrt(static_cast<double>(weight.numel() / weight.size(0)));
  init::uniform_(bias, keys["bias"], -bound, bound);
}

std::string Conv2d::extra_repr() const {
  const std::array<std::int64_t, 2> kernel = {weight.size(2), weight.size(3)}, zero = {0, 0}, one = {1, 1};
  std::string text = std::to_string(weight.size(1) * options_.groups) + ", " + std::to_string(weight.size(0)) +
                     ", kernel_size=" + detail::pair_text(kernel) + ", stride=" + detail::pair_text(options_.stride);
  if (options_.padding != zero) text += ", padding=" + detail::pair_text(options_.padding);
  if (options_.dilation != one) text += ", dilation=" + detail::pair_text(options_.dilation);
  if (options_.groups != 1) text += ", groups=" + std::to_string(options_.groups);
  if (!bias.defined()) text += ", bias=False";
  return text;
}

}  // namespace hop::nn
