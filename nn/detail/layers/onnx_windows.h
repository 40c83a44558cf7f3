// Padding and adaptive pooling along one axis in ONNX, which has neither in all of our forms.
#pragma once

#include <cstdint>

#include "autograd/pad.h"
#include "nn/detail/onnx_model.h"

namespace hop::nn::detail {

struct OnnxAxis {
  std::int64_t place, size;
  bool is_last = false;
};

/// x with `before` and `behind` values more along an axis, in the modes that ONNX's convolution lacks: reflect,
/// replicate, circular.
OnnxValue onnx_padded(OnnxModel& model, const OnnxValue& x, PadMode mode, const OnnxAxis& axis, std::int64_t before,
                      std::int64_t behind);

/// The means, or the maxima, of `windows` windows of an axis: window i of n values reaches from floor(i n / windows) to
/// ceil((i + 1) n / windows), so windows may overlap and have two sizes. For means the axis is one of the last two
/// of (N, C, ..). Throws as OnnxModel::expect_room().
OnnxValue onnx_window_means(OnnxModel& model, const OnnxValue& x, const OnnxAxis& axis, std::int64_t windows);
OnnxValue onnx_window_maxima(OnnxModel& model, const OnnxValue& x, const OnnxAxis& axis, std::int64_t windows);

}  // namespace hop::nn::detail
