#include "nn/detail/layers/onnx_windows.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "kernels/copy.h"

namespace hop::nn::detail {
namespace {

/// The place that each value of a padded line has in the line of n values.
std::vector<std::int64_t> sources(PadMode mode, std::int64_t n, std::int64_t before, std::int64_t behind) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = -before; i < n + behind; ++i) {
    if (mode == PadMode::reflect)
      all.push_back(n - 1 - std::abs(n - 1 - std::abs(i)));
    else if (mode == PadMode::replicate)
      all.push_back(std::clamp<std::int64_t>(i, 0, n - 1));
    else
      all.push_back((i + n) % n);
  }
  return all;
}

struct Window {
  std::int64_t begin, end;
};

std::vector<Window> windows_of(std::int64_t n, std::int64_t windows) {
  std::vector<Window> all;
  for (std::int64_t i = 0; i < windows; ++i) all.push_back({i * n / windows, ((i + 1) * n + windows - 1) / windows});
  return all;
}

OnnxValue means_of_equal_windows(OnnxModel& model, const OnnxValue& x, const OnnxAxis& axis, std::int64_t size) {
  const std::int64_t dims = axis.place - 1 + (axis.is_last ? 0 : 1);  // behind (N, C)
  std::vector<std::int64_t> window(static_cast<std::size_t>(dims), 1);
  window[static_cast<std::size_t>(axis.place - 2)] = size;
  return model.node("AveragePool", {x}, {{"kernel_shape", window}, {"strides", window}});
}

}  // namespace

OnnxValue onnx_padded(OnnxModel& model, const OnnxValue& x, PadMode mode, const OnnxAxis& axis, std::int64_t before,
                      std::int64_t behind) {
  const OnnxValue at = model.integers(sources(mode, axis.size, before, behind));
  return model.node("Gather", {x, at}, {{"axis", axis.place}});
}

// Windows of one size that do not overlap are a pooling of ONNX. Otherwise a product with the share that each value has
// in each mean.
OnnxValue onnx_window_means(OnnxModel& model, const OnnxValue& x, const OnnxAxis& axis, std::int64_t windows) {
  const std::int64_t n = axis.size;
  if (n % windows == 0) return means_of_equal_windows(model, x, axis, n / windows);
  model.expect_room(static_cast<std::uint64_t>(n) * static_cast<std::uint64_t>(windows) * sizeof(float));
  const Tensor shares = kernels::zeros(axis.is_last ? Shape{n, windows} : Shape{windows, n});
  for (std::int64_t i = 0; const Window& window : windows_of(n, windows)) {
    const float share = 1 / static_cast<float>(window.end - window.begin);
    for (std::int64_t k = window.begin; k < window.end; ++k)
      shares.data<float>()[axis.is_last ? k * windows + i : i * n + k] = share;
    ++i;
  }
  const OnnxValue factor = model.tensor("shares", shares);
  return model.node("MatMul", axis.is_last ? std::vector{x, factor} : std::vector{factor, x});
}

// All windows get the size of the longest: the others have their last value twice.
OnnxValue onnx_window_maxima(OnnxModel& model, const OnnxValue& x, const OnnxAxis& axis, std::int64_t windows) {
  std::int64_t longest = 0;
  for (const Window& window : windows_of(axis.size, windows)) longest = std::max(longest, window.end - window.begin);
  const Tensor places = Tensor::empty({windows, longest}, DType::i64);
  for (std::int64_t* place = places.data<std::int64_t>(); const Window& window : windows_of(axis.size, windows)) {
    for (std::int64_t k = 0; k < longest; ++k) *place++ = std::min(window.begin + k, window.end - 1);
  }
  const OnnxValue values = model.node("Gather", {x, model.tensor("places", places)}, {{"axis", axis.place}});
  return model.node("ReduceMax", {values},
                    {{"axes", std::vector<std::int64_t>{axis.place + 1}}, {"keepdims", std::int64_t{0}}});
}

}  // namespace hop::nn::detail
