#include "nn/layers/pool.h"

#include "autograd/pool.h"
#include "autograd/pool_nd.h"
#include "autograd/reduce.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"

namespace hop::nn {
namespace {

hop::Pool2dOptions pool_options(const char* op, Size2d kernel, const PoolOptions& options) {
  const Size2d stride = options.stride.value_or(kernel);
  detail::check_positive(op, {{"kernel height", kernel.height},
                              {"kernel width", kernel.width},
                              {"vertical stride", stride.height},
                              {"horizontal stride", stride.width}});
  return {kernel.array(), stride.array(), options.padding.array()};
}

std::string pool_repr(const hop::Pool2dOptions& options) {
  return "kernel_size=" + detail::pair_text(options.kernel) + ", stride=" + detail::pair_text(options.stride) +
         ", padding=" + detail::pair_text(options.padding);
}

}  // namespace

MaxPool2d::MaxPool2d(Size2d kernel_size, PoolOptions options)
    : options_(pool_options("MaxPool2d", kernel_size, options)) {}

Tensor MaxPool2d::forward(const Tensor& x) { return max_pool2d(x, options_); }

std::string MaxPool2d::extra_repr() const { return pool_repr(options_); }

AvgPool2d::AvgPool2d(Size2d kernel_size, PoolOptions options)
    : options_(pool_options("AvgPool2d", kernel_size, options)) {}

Tensor AvgPool2d::forward(const Tensor& x) { return avg_pool2d(x, options_); }

std::string AvgPool2d::extra_repr() const { return pool_repr(options_); }

Tensor GlobalAvgPool2d::forward(const Tensor& x) {
  kernels::expect_defined("GlobalAvgPool2d", x);
  if (x.dim() != 4) throw ShapeError("[GlobalAvgPool2d] expected (N, C, H, W), got " + x.shape().to_string());
  return mean(x, {2, 3});
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(Size2d output_size) : output_size_(output_size) {
  detail::check_positive("AdaptiveAvgPool2d",
                         {{"output height", output_size.height}, {"output width", output_size.width}});
}

Tensor AdaptiveAvgPool2d::forward(const Tensor& x) {
  kernels::expect_defined("AdaptiveAvgPool2d", x);
  if (x.dim() != 4) throw ShapeError("[AdaptiveAvgPool2d] expected (N, C, H, W), got " + x.shape().to_string());
  const auto [height, width] = output_size_;
  if (x.numel() == 0 || x.size(2) % height != 0 || x.size(3) % width != 0) return adaptive_avg_pool(x, {height, width});
  return avg_pool2d(x, {.kernel = {x.size(2) / height, x.size(3) / width}});
}

std::string AdaptiveAvgPool2d::extra_repr() const { return "output_size=" + detail::pair_text(output_size_.array()); }

}  // namespace hop::nn
