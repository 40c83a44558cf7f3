#include "nn/layers/pool.h"

#include "autograd/pool.h"
#include "autograd/pool_nd.h"
#include "autograd/reduce.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/pooling.h"

namespace hop::nn {
namespace {

hop::Pool2dOptions pool_options(const char* op, Size2d kernel, const PoolOptions& options) {
  const Size2d stride = options.stride.value_or(kernel), dilation = options.dilation;
  detail::check_positive(op, {{"kernel height", kernel.height},
                              {"kernel width", kernel.width},
                              {"vertical stride", stride.height},
                              {"horizontal stride", stride.width},
                              {"vertical dilation", dilation.height},
                              {"horizontal dilation", dilation.width}});
  return {kernel.array(),          stride.array(),    options.padding.array(),
          dilation.array(),        options.ceil_mode, options.count_include_pad,
          options.divisor_override};
}

std::string pool_repr(const hop::Pool2dOptions& options) {
  std::string text = "kernel_size=" + detail::pair_text(options.kernel) +
                     ", stride=" + detail::pair_text(options.stride) +
                     ", padding=" + detail::pair_text(options.padding);
  if (options.dilation != std::array<std::int64_t, 2>{1, 1})
    text += ", dilation=" + detail::pair_text(options.dilation);
  return text + detail::mode_text({options.ceil_mode, options.count_include_pad, options.divisor_override});
}

}  // namespace

MaxPool2d::MaxPool2d(Size2d kernel_size, PoolOptions options)
    : options_(pool_options("MaxPool2d", kernel_size, options)) {
  detail::check_max_mode("MaxPool2d", {options.ceil_mode, options.count_include_pad, options.divisor_override});
}

Tensor MaxPool2d::forward(const Tensor& x) { return max_pool2d(x, options_); }

std::string MaxPool2d::extra_repr() const { return pool_repr(options_); }

AvgPool2d::AvgPool2d(Size2d kernel_size, PoolOptions options)
    : options_(pool_options("AvgPool2d", kernel_size, options)) {
  detail::check_average("AvgPool2d", options.dilation == Size2d(1), options.divisor_override);
}

Tensor AvgPool2d::forward(const Tensor& x) { return avg_pool2d(x, options_); }

std::string AvgPool2d::extra_repr() const { return pool_repr(options_); }

Tensor GlobalAvgPool2d::forward(const Tensor& x) {
  kernels::expect_defined("GlobalAvgPool2d", x);
  if (x.dim() != 4) throw ShapeError("[GlobalAvgPool2d] expected (N, C, H, W), got " + x.shape().to_string());
  return mean(x, {2, 3});
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(Size2d output_size) : output_size_(output_size) {
  detail::check_adaptive("AdaptiveAvgPool2d", "output height", output_size.height);
  detail::check_adaptive("AdaptiveAvgPool2d", "output width", output_size.width);
}

Tensor AdaptiveAvgPool2d::forward(const Tensor& x) {
  kernels::expect_defined("AdaptiveAvgPool2d", x);
  if (x.dim() != 4 && x.dim() != 3)
    throw ShapeError("[AdaptiveAvgPool2d] expected (N, C, H, W) or (C, H, W), got " + x.shape().to_string());
  const auto kept = [&](std::int64_t size, std::int64_t dim) { return size == kKeepSize ? x.size(dim) : size; };
  const std::int64_t height = kept(output_size_.height, -2), width = kept(output_size_.width, -1);
  if (x.numel() == 0 || x.size(-2) % height != 0 || x.size(-1) % width != 0)
    return adaptive_avg_pool(x, {height, width});
  return avg_pool2d(x, {.kernel = {x.size(-2) / height, x.size(-1) / width}});
}

std::string AdaptiveAvgPool2d::extra_repr() const {
  return "output_size=" + detail::adaptive_text(output_size_.array());
}

}  // namespace hop::nn
