// The functions that a device supplies for kernels/conv.h.
#pragma once

#include <cstdint>

#include "kernels/conv.h"
#include "kernels/operations_internal.h"

namespace hop::kernels {

/// The sizes of one convolution, x (n, c, h, w) with weight (k, c / groups, r, s) -> y (n, k, p, q).
struct ConvSizes {
  std::int64_t n, c, h, w, k, r, s, p, q;
  Conv2dOptions options;
};
/// Which of x, weight and y is computed from the other two.
enum class ConvPass : std::uint8_t { forward, input_grad, weight_grad };

struct ConvOperations {
  static const ConvOperations cpu, cuda;

  /// forward writes y (and adds bias if it is defined), input_grad writes x, weight_grad writes weight. Operands that
  /// are read are contiguous, or f32 and dense with channels last. The result is contiguous; if keeps_channels_last()
  /// of the device, it may be an image of that layout.
  void (*conv2d)(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const Tensor& y);
};

}  // namespace hop::kernels
