// How the values of an output are cut into parts, for reductions and argmax. A function of the numbers of values and
// outputs alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tensor/tensor.h"

namespace hop::kernels::cuda {

inline constexpr int kRowBlock = 8;  ///< warps

struct Parts {
  std::int64_t parts, part_count;  ///< part_count: values per part, a multiple of 128
};

/// Enough parts to fill a card. No part is so small that the start of a warp matters, or so large that its sum loses
/// digits.
inline Parts choose_parts(std::int64_t outputs, std::int64_t count) {
  const auto ceil_div = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const std::int64_t wanted = std::min(ceil_div(count, 1024), std::max<std::int64_t>(1, 8192 / outputs));
  const std::int64_t parts = std::max(wanted, ceil_div(count, 16384));
  const std::int64_t part_count = ceil_div(ceil_div(count, parts), 128) * 128;
  return {ceil_div(count, part_count), part_count};
}

/// The type in which T is compared and added: shuffles move 4 or 8 bytes.
template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), int, T>;

/// ReduceOperations::argmax (argmax.cu).
void argmax(const Tensor& x, std::int64_t length, const Tensor& y);

}  // namespace hop::kernels::cuda
