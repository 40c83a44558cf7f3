// Floating numbers of 16 bits. Tensors store them; operations widen them to f32, compute there, and round the result
// once (kernels/half_internal.h).
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace hop {

namespace detail {

inline constexpr std::uint32_t kSign = 0x80000000U, kInfinity = 0x7F800000U;  // of an f32

// Adds half of the last place, or a bit less, so that ties go to the even neighbour. A NaN would overflow: it becomes a
// quiet NaN.
constexpr std::uint16_t bf16_bits(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const bool is_nan = (bits & ~kSign) > kInfinity;
  const std::uint32_t up = is_nan ? bits | 0x00400000U : bits + 0x7FFFU + (bits >> 16U & 1U);
  return static_cast<std::uint16_t>(up >> 16U);
}

// The exponents of f32 and f16 differ by 112. Below 2^-14 the steps of f16 are equal, 2^-24, which is the last place of
// numbers from 0.5 on: adding 0.5 rounds there.
constexpr std::uint16_t f16_bits(float value) {
  constexpr std::uint32_t kSmallestNormal = 0x38800000U, kFirstInfinite = 0x477FF000U;  // 2^-14, 65520
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value), size = bits & ~kSign;
  const std::uint32_t normal = (size - (112U << 23U) + 0xFFFU + (size >> 13U & 1U)) >> 13U;
  const float shifted = std::bit_cast<float>(size < kSmallestNormal ? size : 0U) + 0.5F;
  const std::uint32_t small = std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(0.5F);
  const std::uint32_t large = size > kInfinity ? 0x7E00U | (size >> 13U & 0x1FFU) : 0x7C00U;
  const std::uint32_t narrow = size < kSmallestNormal ? small : size < kFirstInfinite ? normal : large;
  return static_cast<std::uint16_t>((bits & kSign) >> 16U | narrow);
}

constexpr float from_f16_bits(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half} << 16U & kSign, size = half & 0x7FFFU;
  // Below 2^-14 the number is a multiple of 2^-24: put behind the point of 0.5, and 0.5 taken off again.
  const float small = std::bit_cast<float>(std::bit_cast<std::uint32_t>(0.5F) + (size & 0x3FFU)) - 0.5F;
  const std::uint32_t wide = size < 0x400U    ? std::bit_cast<std::uint32_t>(small)
                             : size < 0x7C00U ? (size << 13U) + (112U << 23U)
                                              : kInfinity | size << 13U;
  return std::bit_cast<float>(sign | wide);
}

}  // namespace detail

/// bfloat16: the upper half of an f32, 8 bits of exponent and 7 of mantissa. Made of an f32 by rounding to the nearest,
/// ties to even; infinities and NaN stay what they are. Of other numbers by way of f32, as in PyTorch.
struct BFloat16 {
  std::uint16_t bits;

  BFloat16() = default;
  template <std::convertible_to<float> T>
  requires(!std::is_same_v<T, BFloat16>) explicit constexpr BFloat16(T value)
      : bits(detail::bf16_bits(static_cast<float>(value))) {}
  constexpr operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16U); }
};

/// IEEE 754's binary16: 5 bits of exponent and 10 of mantissa, at most 65504; larger numbers become infinite. Made of
/// an f32 by rounding to the nearest, ties to even. Of other numbers by way of f32, as in PyTorch.
struct Half {
  std::uint16_t bits;

  Half() = default;
  template <std::convertible_to<float> T>
  requires(!std::is_same_v<T, Half>) explicit constexpr Half(T value)
      : bits(detail::f16_bits(static_cast<float>(value))) {}
  constexpr operator float() const { return detail::from_f16_bits(bits); }
};

template <class T>
inline constexpr bool is_half_type = std::is_same_v<T, BFloat16> || std::is_same_v<T, Half>;

/// The largest finite number of a floating type, as a double.
template <class T>
constexpr double largest_of() {
  if constexpr (std::is_same_v<T, BFloat16>)
    return 0x1.FEp127;
  else if constexpr (std::is_same_v<T, Half>)
    return 65504;
  else
    return static_cast<double>(std::numeric_limits<T>::max());
}

}  // namespace hop
