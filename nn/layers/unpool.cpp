#include "nn/layers/unpool.h"

#include "nn/detail/layer.h"
#include "nn/detail/text.h"

namespace hop::nn {
namespace {

PoolWindow window(const char* op, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                  std::int64_t dilation) {
  detail::check_positive(op, {{"kernel_size", kernel}, {"stride", stride}, {"dilation", dilation}});
  return {kernel, stride, padding, dilation};
}

template <std::size_t N>
std::string repr(const std::array<std::int64_t, N>& kernel, const std::array<std::int64_t, N>& stride,
                 const std::array<std::int64_t, N>& padding) {
  return "kernel_size=" + detail::tuple_text(kernel) + ", stride=" + detail::tuple_text(stride) +
         ", padding=" + detail::tuple_text(padding);
}

}  // namespace

MaxUnpool1d::MaxUnpool1d(std::int64_t kernel_size, const Pool1dOptions& options)
    : window_(window("MaxUnpool1d", kernel_size, options.stride.value_or(kernel_size), options.padding,
                     options.dilation)) {}

std::string MaxUnpool1d::extra_repr() const {
  const auto single = [](std::int64_t n) { return "(" + std::to_string(n) + ",)"; };
  return "kernel_size=" + single(window_.kernel) + ", stride=" + single(window_.stride) +
         ", padding=" + single(window_.padding);
}

MaxUnpool2d::MaxUnpool2d(Size2d kernel_size, const PoolOptions& options) {
  const std::array kernel = kernel_size.array(), stride = options.stride.value_or(kernel_size).array(),
                   dilation = options.dilation.array();
  for (std::size_t d = 0; d < 2; ++d) {
    const PoolWindow w = window("MaxUnpool2d", kernel[d], stride[d], 0, dilation[d]);
    options_.kernel[d] = w.kernel, options_.stride[d] = w.stride, options_.dilation[d] = w.dilation;
  }
  options_.padding = options.padding.array();
}

Tensor MaxUnpool2d::operator()(const Tensor& x, const Tensor& indices, std::optional<Size2d> output_size) {
  std::optional<std::array<std::int64_t, 2>> size;
  if (output_size) size = output_size->array();
  return with_hooks(x, [&](const Tensor& input) { return max_unpool2d(input, indices, options_, size); });
}

std::string MaxUnpool2d::extra_repr() const { return repr(options_.kernel, options_.stride, options_.padding); }

MaxUnpool3d::MaxUnpool3d(Size3d kernel_size, const Pool3dOptions& options) {
  const Size3d stride = options.stride.value_or(kernel_size);
  for (std::size_t d = 0; d < 3; ++d) {
    windows_[d] = window("MaxUnpool3d", kernel_size.sizes[d], stride.sizes[d], options.padding.sizes[d],
                         options.dilation.sizes[d]);
  }
}

Tensor MaxUnpool3d::operator()(const Tensor& x, const Tensor& indices, std::optional<Size3d> output_size) {
  std::optional<std::array<std::int64_t, 3>> size;
  if (output_size) size = output_size->sizes;
  return with_hooks(x, [&](const Tensor& input) { return max_unpool3d(input, indices, windows_, size); });
}

std::string MaxUnpool3d::extra_repr() const {
  const auto each = [&](std::int64_t PoolWindow::*member) {
    return std::array{windows_[0].*member, windows_[1].*member, windows_[2].*member};
  };
  return repr(each(&PoolWindow::kernel), each(&PoolWindow::stride), each(&PoolWindow::padding));
}

}  // namespace hop::nn
