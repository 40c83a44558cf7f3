#include "nn/layers/pool_nd.h"

#include <utility>

#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"

namespace hop::nn {
namespace {

PoolWindow window(const char* op, std::int64_t kernel, const Pool1dOptions& options) {
  const std::int64_t stride = options.stride.value_or(kernel);
  detail::check_positive(op, {{"kernel_size", kernel}, {"stride", stride}});
  return {kernel, stride, options.padding};
}

std::array<PoolWindow, 3> windows(const char* op, const Size3d& kernel, const Pool3dOptions& options) {
  std::array<PoolWindow, 3> all;
  const Size3d stride = options.stride.value_or(kernel);
  for (std::size_t k = 0; k < 3; ++k)
    all[k] = window(op, kernel.sizes[k], {.stride = stride.sizes[k], .padding = options.padding.sizes[k]});
  return all;
}

std::string repr(const PoolWindow& w) {
  return "kernel_size=" + std::to_string(w.kernel) + ", stride=" + std::to_string(w.stride) +
         ", padding=" + std::to_string(w.padding);
}

std::string repr(const std::array<PoolWindow, 3>& w) {
  const auto each = [&](std::int64_t PoolWindow::*member) {
    return detail::tuple_text(std::array{w[0].*member, w[1].*member, w[2].*member});
  };
  return "kernel_size=" + each(&PoolWindow::kernel) + ", stride=" + each(&PoolWindow::stride) +
         ", padding=" + each(&PoolWindow::padding);
}

}  // namespace

MaxPool1d::MaxPool1d(std::int64_t kernel_size, const Pool1dOptions& options)
    : window_(window("MaxPool1d", kernel_size, options)) {}
std::string MaxPool1d::extra_repr() const { return repr(window_); }

AvgPool1d::AvgPool1d(std::int64_t kernel_size, const Pool1dOptions& options)
    : window_(window("AvgPool1d", kernel_size, options)) {}
std::string AvgPool1d::extra_repr() const { return repr(window_); }

MaxPool3d::MaxPool3d(Size3d kernel_size, const Pool3dOptions& options)
    : windows_(windows("MaxPool3d", kernel_size, options)) {}
std::string MaxPool3d::extra_repr() const { return repr(windows_); }

AvgPool3d::AvgPool3d(Size3d kernel_size, const Pool3dOptions& options)
    : windows_(windows("AvgPool3d", kernel_size, options)) {}
std::string AvgPool3d::extra_repr() const { return repr(windows_); }

AdaptivePool::AdaptivePool(const char* name, const char* form, Pool pool, std::vector<std::int64_t> output_size)
    : name_(name), form_(form), pool_(pool), output_size_(std::move(output_size)) {
  for (const std::int64_t size : output_size_) detail::check_positive(name, {{"sizes", size}});
}

Tensor AdaptivePool::forward(const Tensor& x) {
  kernels::expect_defined(name_, x);
  if (x.dim() != static_cast<int>(output_size_.size()) + 2)
    throw ShapeError("[" + std::string(name_) + "] expected " + form_ + ", got " + x.shape().to_string());
  return pool_(x, output_size_);
}

std::string AdaptivePool::extra_repr() const {
  return "output_size=" +
         (output_size_.size() == 1 ? std::to_string(output_size_[0]) : detail::tuple_text(output_size_));
}

}  // namespace hop::nn
