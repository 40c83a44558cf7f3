#include "nn/layers/lp_pool.h"

#include <cmath>

#include "base/words.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"

namespace hop::nn {
namespace {

double checked(const char* op, double norm_type) {
  if (norm_type > 0 && norm_type < HUGE_VAL) return norm_type;
  throw ConfigError("[" + std::string(op) + "] expected a finite norm_type above 0, got " + shortest(norm_type));
}

PoolWindow window(const char* op, std::int64_t kernel, std::int64_t stride) {
  detail::check_positive(op, {{"kernel_size", kernel}, {"stride", stride}});
  return {kernel, stride};
}

std::string repr(double norm_type, const std::string& kernel, const std::string& stride, bool ceil_mode) {
  return "norm_type=" + shortest(norm_type) + ", kernel_size=" + kernel + ", stride=" + stride +
         ", ceil_mode=" + detail::flag_text(ceil_mode);
}

}  // namespace

LPPool1d::LPPool1d(double norm_type, std::int64_t kernel_size, std::optional<std::int64_t> stride, bool ceil_mode)
    : norm_type_(checked("LPPool1d", norm_type)),
      window_(window("LPPool1d", kernel_size, stride.value_or(kernel_size))),
      ceil_mode_(ceil_mode) {}

std::string LPPool1d::extra_repr() const {
  return repr(norm_type_, std::to_string(window_.kernel), std::to_string(window_.stride), ceil_mode_);
}

LPPool2d::LPPool2d(double norm_type, Size2d kernel_size, std::optional<Size2d> stride, bool ceil_mode)
    : norm_type_(checked("LPPool2d", norm_type)) {
  const std::array kernel = kernel_size.array(), step = stride.value_or(kernel_size).array();
  for (std::size_t d = 0; d < 2; ++d) {
    const PoolWindow w = window("LPPool2d", kernel[d], step[d]);
    options_.kernel[d] = w.kernel, options_.stride[d] = w.stride;
  }
  options_.ceil_mode = ceil_mode;
}

std::string LPPool2d::extra_repr() const {
  return repr(norm_type_, detail::pair_text(options_.kernel), detail::pair_text(options_.stride), options_.ceil_mode);
}

LPPool3d::LPPool3d(double norm_type, Size3d kernel_size, std::optional<Size3d> stride, bool ceil_mode)
    : norm_type_(checked("LPPool3d", norm_type)), ceil_mode_(ceil_mode) {
  const Size3d step = stride.value_or(kernel_size);
  for (std::size_t d = 0; d < 3; ++d) windows_[d] = window("LPPool3d", kernel_size.sizes[d], step.sizes[d]);
}

std::string LPPool3d::extra_repr() const {
  const auto& w = windows_;
  return repr(norm_type_, detail::tuple_text(std::array{w[0].kernel, w[1].kernel, w[2].kernel}),
              detail::tuple_text(std::array{w[0].stride, w[1].stride, w[2].stride}), ceil_mode_);
}

}  // namespace hop::nn
