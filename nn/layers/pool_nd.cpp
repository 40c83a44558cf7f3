#include "nn/layers/pool_nd.h"

#include <utility>

#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/pooling.h"

namespace hop::nn {
namespace {

PoolWindow window(const char* op, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                  std::int64_t dilation) {
  detail::check_positive(op, {{"kernel_size", kernel}, {"stride", stride}, {"dilation", dilation}});
  return {kernel, stride, padding, dilation};
}

PoolWindow window(const char* op, std::int64_t kernel, const Pool1dOptions& o) {
  return window(op, kernel, o.stride.value_or(kernel), o.padding, o.dilation);
}

std::array<PoolWindow, 3> windows(const char* op, const Size3d& kernel, const Pool3dOptions& o) {
  std::array<PoolWindow, 3> all;
  const Size3d stride = o.stride.value_or(kernel);
  for (std::size_t k = 0; k < 3; ++k)
    all[k] = window(op, kernel.sizes[k], stride.sizes[k], o.padding.sizes[k], o.dilation.sizes[k]);
  return all;
}

PoolMode mode_of(const Pool1dOptions& o) { return {o.ceil_mode, o.count_include_pad, {}}; }
PoolMode mode_of(const Pool3dOptions& o) { return {o.ceil_mode, o.count_include_pad, o.divisor_override}; }

std::string repr(const PoolWindow& w, const PoolMode& mode) {
  return "kernel_size=" + std::to_string(w.kernel) + ", stride=" + std::to_string(w.stride) +
         ", padding=" + std::to_string(w.padding) +
         (w.dilation == 1 ? "" : ", dilation=" + std::to_string(w.dilation)) + detail::mode_text(mode);
}

std::string repr(const std::array<PoolWindow, 3>& w, const PoolMode& mode) {
  const auto each = [&](std::int64_t PoolWindow::*member) {
    return detail::tuple_text(std::array{w[0].*member, w[1].*member, w[2].*member});
  };
  const std::string dilation = each(&PoolWindow::dilation);
  return "kernel_size=" + each(&PoolWindow::kernel) + ", stride=" + each(&PoolWindow::stride) +
         ", padding=" + each(&PoolWindow::padding) + (dilation == "(1, 1, 1)" ? "" : ", dilation=" + dilation) +
         detail::mode_text(mode);
}

}  // namespace

MaxPool1d::MaxPool1d(std::int64_t kernel_size, const Pool1dOptions& options)
    : window_(window("MaxPool1d", kernel_size, options)), mode_(mode_of(options)) {
  detail::check_max_mode("MaxPool1d", mode_);
}
std::string MaxPool1d::extra_repr() const { return repr(window_, mode_); }

AvgPool1d::AvgPool1d(std::int64_t kernel_size, const Pool1dOptions& options)
    : window_(window("AvgPool1d", kernel_size, options)), mode_(mode_of(options)) {
  detail::check_average("AvgPool1d", options.dilation == 1, {});
}
std::string AvgPool1d::extra_repr() const { return repr(window_, mode_); }

MaxPool3d::MaxPool3d(Size3d kernel_size, const Pool3dOptions& options)
    : windows_(windows("MaxPool3d", kernel_size, options)), mode_(mode_of(options)) {
  detail::check_max_mode("MaxPool3d", mode_);
}
std::string MaxPool3d::extra_repr() const { return repr(windows_, mode_); }

AvgPool3d::AvgPool3d(Size3d kernel_size, const Pool3dOptions& options)
    : windows_(windows("AvgPool3d", kernel_size, options)), mode_(mode_of(options)) {
  detail::check_average("AvgPool3d", options.dilation == Size3d(1), options.divisor_override);
}
std::string AvgPool3d::extra_repr() const { return repr(windows_, mode_); }

AdaptivePool::AdaptivePool(const char* name, const char* form, Pool pool, std::vector<std::int64_t> output_size)
    : name_(name), form_(form), pool_(pool), output_size_(std::move(output_size)) {
  for (const std::int64_t size : output_size_) detail::check_adaptive(name, "sizes", size);
}

void AdaptivePool::check(const Tensor& x) const {
  kernels::expect_defined(name_, x);
  const int rank = static_cast<int>(output_size_.size());
  if (x.dim() != rank + 2 && x.dim() != rank + 1)
    throw ShapeError("[" + std::string(name_) + "] expected " + form_ + ", got " + x.shape().to_string());
}

Tensor AdaptivePool::forward(const Tensor& x) {
  check(x);
  return pool_(x, output_size_);
}

std::string AdaptivePool::extra_repr() const { return "output_size=" + detail::adaptive_text(output_size_); }

AdaptiveMaxPool::AdaptiveMaxPool(const char* name, const char* form, std::vector<std::int64_t> output_size)
    : AdaptivePool(name, form, adaptive_max_pool, std::move(output_size)) {}

PooledMaxima AdaptiveMaxPool::with_indices(const Tensor& x) const {
  check(x);
  return adaptive_max_pool_with_indices(x, output_size());
}

}  // namespace hop::nn
