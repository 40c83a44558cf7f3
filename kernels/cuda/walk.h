// Finds the operands of element i for any strides: the index is split along the dimensions, innermost first. A GPU
// divides slowly, so every division by a size is a multiplication by a number that is computed at the launch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/walk_internal.h"
#include "kernels/cuda/language.h"

namespace hop::kernels::cuda {

/// Elements that one launch covers at most, so that indices are 32-bit.
inline constexpr std::int64_t kMaxElements = (std::int64_t{1} << 31) - 1;

/// Unsigned division by a fixed number: Granlund and Montgomery, "Division by invariant integers using multiplication"
/// (PLDI 1994), figure 4.1, for dividends below 2^31.
struct FastDivision {
  std::uint32_t divisor = 1, multiplier = 1, shift = 0;

  FastDivision() = default;
  /// 1 <= d <= 2^31
  explicit FastDivision(std::uint32_t d) : divisor(d) {
    while ((std::uint64_t{1} << shift) < d) ++shift;
    multiplier = static_cast<std::uint32_t>((((std::uint64_t{1} << shift) - d) << 32) / d + 1);
  }
  __host__ __device__ std::uint32_t quotient(std::uint32_t n) const {
    return (static_cast<std::uint32_t>(std::uint64_t{n} * multiplier >> 32) + n) >> shift;
  }
};

/// N operands walked in step over one shape, as an argument of a kernel.
template <int N>
struct IndexWalk {
  int rank;
  FastDivision size[kMaxDims];
  std::int64_t stride[N][kMaxDims];  ///< bytes

  /// The byte offset of each operand at position i in row-major order.
  __device__ void locate(std::uint32_t i, std::int64_t (&offset)[N]) const {
    for (int k = 0; k < N; ++k) offset[k] = 0;
    for (int d = rank - 1; d > 0; --d) {
      const std::uint32_t rest = size[d].quotient(i);
      const std::uint32_t index = i - rest * size[d].divisor;
      for (int k = 0; k < N; ++k) offset[k] += index * stride[k][d];
      i = rest;
    }
    for (int k = 0; k < N; ++k) offset[k] += i * stride[k][0];
  }
};

/// The same on the host, where sizes may be large. For planning launches.
template <int N>
struct Steps {
  int rank = 1;
  std::int64_t size[kMaxDims] = {};
  std::int64_t stride[N][kMaxDims] = {};  ///< bytes

  Steps() = default;
  explicit Steps(const Walk<N>& walk) : rank(walk.rank()) {
    for (int d = 0; d < rank; ++d) {
      size[d] = walk.size(d);
      for (int k = 0; k < N; ++k) stride[k][d] = walk.stride(k, d);
    }
  }
  std::int64_t elements() const {
    std::int64_t n = 1;
    for (int d = 0; d < rank; ++d) n *= size[d];
    return n;
  }
  std::int64_t line() const { return size[rank - 1]; }
  std::int64_t line_stride(int k) const { return stride[k][rank - 1]; }
  /// Whether operand k, which starts at `data`, consists of whole aligned packets of `width` elements of `element`
  /// bytes. A single line may end with a partial packet.
  bool takes_packets(int k, const void* data, std::int64_t element, int width) const {
    const std::int64_t packet = element * width;
    if (rank > 1 && line() % width != 0) return false;
    if (line_stride(k) != element || reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uint64_t>(packet) != 0)
      return false;
    for (int d = 0; d < rank - 1; ++d) {
      if (stride[k][d] % packet != 0) return false;
    }
    return true;
  }
  /// With lines counted in units of `width` elements, of which the last may be partial.
  IndexWalk<N> in_units(int width) const {
    IndexWalk<N> walk{};
    walk.rank = rank;
    for (int d = 0; d < rank; ++d) {
      const bool is_line = d == rank - 1;
      walk.size[d] = FastDivision(static_cast<std::uint32_t>(is_line ? (size[d] + width - 1) / width : size[d]));
      for (int k = 0; k < N; ++k) walk.stride[k][d] = stride[k][d] * (is_line ? width : 1);
    }
    return walk;
  }
};

/// Cuts `steps` along its outermost dimension until each part has at most `most` elements, and calls f(part, offsets)
/// with the byte offset of every operand. Parts of a single line begin at multiples of `width`.
template <int N, class F>
void for_each_part(const Steps<N>& steps, std::int64_t most, int width, const std::int64_t (&offset)[N], const F& f) {
  if (steps.elements() <= most) return f(steps, offset);
  int d = 0;
  while (steps.size[d] == 1) ++d;
  Steps<N> head = steps, tail = steps;
  head.size[d] = steps.size[d] / 2;
  if (d == steps.rank - 1) head.size[d] = (head.size[d] + width - 1) / width * width;
  tail.size[d] -= head.size[d];
  std::int64_t tail_offset[N];
  for (int k = 0; k < N; ++k) tail_offset[k] = offset[k] + head.size[d] * steps.stride[k][d];
  for_each_part(head, most, width, offset, f);
  for_each_part(tail, most, width, tail_offset, f);
}

}  // namespace hop::kernels::cuda
