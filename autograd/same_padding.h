// The padding of a convolution that keeps the size: PyTorch's padding="same".
#pragma once

namespace hop {

/// dilation (kernel - 1) zeros, half of them on each side, and one more at the end if their number is odd. For a stride
/// of 1. Written kSame: `conv2d(x, weight, bias, kSame)`, `nn::Conv2d(3, 8, 3, {.padding = kSame})`.
struct SamePadding {
  constexpr explicit SamePadding(int) {}  // so that {} stays that of options
};
inline constexpr SamePadding kSame{0};

}  // namespace hop
