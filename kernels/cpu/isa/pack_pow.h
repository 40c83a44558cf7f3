// pow for packs of floats, correctly rounded but for a few cases in ten thousand: |x|^y = 2^(y log2 |x|) in double
// precision, half a pack at a time, then the special cases of IEEE 754 (the same as std::pow).
#pragma once

#include "kernels/cpu/isa/pack.h"

namespace HOP_ROWS_NAMESPACE {

namespace detail {

using HalfFloats = float __attribute__((vector_size(kPackBytes / 2)));
using Doubles = double __attribute__((vector_size(kPackBytes)));
using Longs = std::int64_t __attribute__((vector_size(kPackBytes)));

template <class... Coefficients>
HOP_INLINE Doubles polynomial(Doubles x, double leading, Coefficients... rest) {
  Doubles p = x * 0 + leading;
  ((p = p * x + rest), ...);
  return p;
}

/// x > 0 and finite, or 0 or infinity; a float's value, so that the double is never denormal.
HOP_INLINE Doubles log2(Doubles x) {
  const Longs offset = reinterpret_cast<Longs>(x) - 0x3fe6a09e667f3bcd;  // sqrt(1/2)
  const Doubles m = reinterpret_cast<Doubles>((offset & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd);
  const Doubles e = __builtin_convertvector(offset >> 52, Doubles);
  const Doubles s = (m - 1) / (m + 1);  // log2(m) = s P(s^2)
  const Doubles y = e + s * polynomial(s * s, 0.3407489650400962, 0.41167174676203908, 0.57708360031163718,
                                       0.96179667326640547, 2.8853900817901418);
  const Doubles infinity = Doubles{} + __builtin_inf();
  return x == 0 ? -infinity : x == infinity ? infinity : y;
}

/// Overflows to infinity and underflows to 0 far outside the range of float.
HOP_INLINE Doubles exp2(Doubles x) {
  const Doubles low = Doubles{} - 300, high = Doubles{} + 300;
  x = x < low ? low : x > high ? high : x;
  const Doubles kShift = Doubles{} + 6755399441055744.0;  // 1.5 * 2^52
  const Doubles shifted = x + kShift;
  const Longs n = reinterpret_cast<Longs>(shifted) - reinterpret_cast<Longs>(kShift);
  const Doubles p =
      polynomial(x - (shifted - kShift), 0.00015345794292342801, 0.0013399931076232318, 0.0096184890229541862,
                 0.05550328777410405, 0.24022646890025808, 0.69314720573699144, 1.0000000005542485);
  return p * reinterpret_cast<Doubles>((n + 1023) << 52);
}

HOP_INLINE void pow_half(const float* x, const float* y, float* result) {
  HalfFloats a, b;
  __builtin_memcpy(&a, x, sizeof a);
  __builtin_memcpy(&b, y, sizeof b);
  const Doubles power = exp2(__builtin_convertvector(b, Doubles) * log2(__builtin_convertvector(a, Doubles)));
  a = __builtin_convertvector(power, HalfFloats);
  __builtin_memcpy(result, &a, sizeof a);
}

/// False for NaN, true for infinities.
HOP_INLINE Mask is_whole(Pack x) {
  const Pack a = abs(x);
  return (a >= 0x1p23F) | ((a + 0x1p23F) - 0x1p23F == a);
}

}  // namespace detail

HOP_INLINE Pack pow(Pack x, Pack y) {
  const Pack magnitude = abs(x);
  alignas(kPackBytes) float a[kLanes], b[kLanes], r[kLanes];
  magnitude.store(a);
  y.store(b);
  detail::pow_half(a, b, r);
  detail::pow_half(a + kLanes / 2, b + kLanes / 2, r + kLanes / 2);
  const Pack power = where(magnitude == 1, 1, Pack::load(r));

  const Mask whole = detail::is_whole(y);
  const Mask odd = {whole.v & ~detail::is_whole(y * 0.5F).v};
  const Mask invalid = (x != x) | (y != y) | Mask{(x < 0).v & ~whole.v & (magnitude < __builtin_inff()).v};
  const Pack signed_power = where(odd, copysign(power, x), power);
  return where((y == 0) | (x == 1), 1, where(invalid, __builtin_nanf(""), signed_power));
}

}  // namespace HOP_ROWS_NAMESPACE
