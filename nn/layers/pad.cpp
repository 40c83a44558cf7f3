#include "nn/layers/pad.h"

#include "base/error.h"
#include "base/words.h"
#include "kernels/expect_internal.h"

namespace hop::nn {
namespace {

std::vector<std::int64_t> for_all_sides(const char* name, int dims, const std::vector<std::int64_t>& pads) {
  const auto sides = static_cast<std::size_t>(2 * dims);
  if (pads.size() == 1) return std::vector<std::int64_t>(sides, pads[0]);
  if (pads.size() == sides) return pads;
  throw ConfigError("[" + std::string(name) + "] expected one pad or " + std::to_string(sides) + ", got " +
                    std::to_string(pads.size()));
}

}  // namespace

Padding::Padding(const char* name, int dims, const std::vector<std::int64_t>& pads, PadMode mode, double value)
    : name_(name), dims_(dims), pads_(for_all_sides(name, dims, pads)), mode_(mode), value_(value) {}

Tensor Padding::forward(const Tensor& x) {
  kernels::expect_defined(name_, x);
  if (x.dim() != dims_ + 2 && x.dim() != dims_ + 1) {
    static constexpr const char* kForms[] = {"(N, C, L) or (C, L)", "(N, C, H, W) or (C, H, W)",
                                             "(N, C, D, H, W) or (C, D, H, W)"};
    throw ShapeError("[" + std::string(name_) + "] expected " + kForms[dims_ - 1] + ", got " + x.shape().to_string());
  }
  return pad(x, pads_, mode_, value_);
}

std::string Padding::extra_repr() const {
  std::string text = "(";
  for (std::size_t i = 0; i < pads_.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(pads_[i]);
  text += ")";
  return mode_ == PadMode::constant && value_ != 0 ? "padding=" + text + ", value=" + shortest(value_) : text;
}

}  // namespace hop::nn
