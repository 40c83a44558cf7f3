// The zeros of padding="same" in 1, 2 and 3 dimensions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "autograd/composed_internal.h"
#include "autograd/pad.h"

namespace hop::autograd {

/// dilation (kernel - 1) zeros for each dimension, from the first one: half of them before it, the rest behind it.
template <std::size_t N>
struct SameZeros {
  std::array<std::int64_t, N> before{}, behind{};

  SameZeros(const char* op, const std::array<std::int64_t, N>& kernel, const std::array<std::int64_t, N>& dilation) {
    for (std::size_t d = 0; d < N; ++d) {
      const std::int64_t zeros = checked_mul(dilation[d], kernel[d] - 1, op);
      before[d] = zeros / 2;
      behind[d] = zeros - zeros / 2;
    }
  }
  /// Whether a convolution can add them itself.
  bool is_even() const { return before == behind; }
  /// In the order of pad(), which counts from the last dimension.
  std::vector<std::int64_t> pads() const {
    std::vector<std::int64_t> list;
    for (std::size_t d = N; d > 0; --d) list.insert(list.end(), {before[d - 1], behind[d - 1]});
    return list;
  }
};

/// convolve(x, padding), where x has the zeros that the convolution itself does not add. Throws ShapeError if `options`
/// have a stride or a padding, or if the weight has no kernel of N dimensions.
template <std::size_t N, class Options, class F>
Tensor with_same_padding(const char* op, const Tensor& x, const Tensor& weight, Options options, const F& convolve) {
  kernels::expect_any_floating(op, {&x, &weight});
  std::array<std::int64_t, N> one, zero{}, kernel;
  one.fill(1);
  if (options.stride != one || options.padding != zero)
    throw ShapeError(expected(op) + "a stride of 1 and no other padding with kSame, got others");
  if (weight.dim() != static_cast<int>(N) + 2) {
    throw ShapeError(expected(op) + "a weight of " + std::to_string(N + 2) + " dimensions, got " +
                     weight.shape().to_string());
  }
  for (std::size_t d = 0; d < N; ++d) kernel[d] = weight.size(static_cast<int>(d) + 2);
  const SameZeros<N> zeros(op, kernel, options.dilation);
  if (zeros.is_even()) {
    options.padding = zeros.before;
    return convolve(x, options);
  }
  return convolve(pad(x, zeros.pads()), options);
}

}  // namespace hop::autograd
