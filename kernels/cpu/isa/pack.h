// Pack: one vector register of floats (8 on v3, 16 on v4) that speaks the vocabulary of the rows, arithmetic first; the
// transcendental words are in pack_math.h. Only for sources under kernels/cpu/isa/ (see isa_internal.h). A Pack is a
// value in a register; where() chooses without branching. The compiler makes no fused multiply-add by itself
// (-ffp-contract=off): the code says fma() where one is meant.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa/intrinsics.h"
#include "kernels/elementwise_vocabulary.h"

namespace HOP_ROWS_NAMESPACE {

#ifdef __AVX512F__
inline constexpr int kPackBytes = 64;
#else
inline constexpr int kPackBytes = 32;
#endif
inline constexpr int kLanes = kPackBytes / 4;  ///< floats in a pack

using FloatVector = float __attribute__((vector_size(kPackBytes)));
using IntVector = std::int32_t __attribute__((vector_size(kPackBytes)));
using UintVector = std::uint32_t __attribute__((vector_size(kPackBytes)));

/// The result of comparing packs: all bits of a lane set, or none.
struct Mask {
  IntVector v;
  friend HOP_INLINE Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
  friend HOP_INLINE Mask operator|(Mask a, Mask b) { return {a.v | b.v}; }
};

struct Pack {
  FloatVector v;

  Pack() = default;
  HOP_INLINE Pack(FloatVector vector) : v(vector) {}
  HOP_INLINE Pack(float value) : v(value - FloatVector{}) {}  // all lanes; x - 0 keeps -0
  HOP_INLINE Pack(int value) : Pack(static_cast<float>(value)) {}
  Pack(double) = delete;

  static HOP_INLINE Pack load(const float* p) {
    Pack x;
    __builtin_memcpy(&x.v, p, sizeof x.v);
    return x;
  }
  HOP_INLINE void store(float* p) const { __builtin_memcpy(p, &v, sizeof v); }
  /// Loads the first `count` lanes, 0 <= count <= kLanes, and touches no other memory. The other lanes are 0.
  static HOP_INLINE Pack load(const float* p, std::int64_t count);
  HOP_INLINE void store(float* p, std::int64_t count) const;

  friend HOP_INLINE Pack operator-(Pack a) { return {-a.v}; }
  friend HOP_INLINE Pack operator+(Pack a, Pack b) { return {a.v + b.v}; }
  friend HOP_INLINE Pack operator-(Pack a, Pack b) { return {a.v - b.v}; }
  friend HOP_INLINE Pack operator*(Pack a, Pack b) { return {a.v * b.v}; }
  friend HOP_INLINE Pack operator/(Pack a, Pack b) { return {a.v / b.v}; }
  friend HOP_INLINE Mask operator==(Pack a, Pack b) { return {a.v == b.v}; }
  friend HOP_INLINE Mask operator!=(Pack a, Pack b) { return {a.v != b.v}; }
  friend HOP_INLINE Mask operator<(Pack a, Pack b) { return {a.v < b.v}; }
  friend HOP_INLINE Mask operator<=(Pack a, Pack b) { return {a.v <= b.v}; }
  friend HOP_INLINE Mask operator>(Pack a, Pack b) { return {a.v > b.v}; }
  friend HOP_INLINE Mask operator>=(Pack a, Pack b) { return {a.v >= b.v}; }
};

template <>
struct Constant<Pack> {
  static HOP_INLINE Pack of(double value) { return static_cast<float>(value); }
};

HOP_INLINE Pack where(Mask condition, Pack a, Pack b) { return {condition.v ? a.v : b.v}; }
HOP_INLINE Pack zero_like(Pack) { return 0; }
HOP_INLINE Pack one_like(Pack) { return 1; }

HOP_INLINE IntVector bits(Pack x) { return reinterpret_cast<IntVector>(x.v); }
HOP_INLINE Pack from_bits(IntVector bits) { return {reinterpret_cast<FloatVector>(bits)}; }

HOP_INLINE Pack abs(Pack x) { return from_bits(bits(x) & 0x7fffffff); }
/// The magnitude of x with the sign of y.
HOP_INLINE Pack copysign(Pack x, Pack y) { return from_bits((bits(x) & 0x7fffffff) | (bits(y) & ~0x7fffffff)); }

#ifdef __AVX512F__
HOP_INLINE Pack Pack::load(const float* p, std::int64_t count) {
  return FloatVector(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1), p));
}
HOP_INLINE void Pack::store(float* p, std::int64_t count) const {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << count) - 1), __m512(v));
}
/// One byte, 0 or 1, per lane.
HOP_INLINE __m128i truth_bytes(Mask m) { return _mm_and_si128(_mm512_cvtepi32_epi8(__m512i(m.v)), _mm_set1_epi8(1)); }
/// a * b + c, rounded once.
HOP_INLINE Pack fma(Pack a, Pack b, Pack c) {
  return FloatVector(_mm512_fmadd_ps(__m512(a.v), __m512(b.v), __m512(c.v)));
}
HOP_INLINE Pack sqrt(Pack x) { return FloatVector(_mm512_sqrt_ps(__m512(x.v))); }
/// x, or the nearer bound if x is outside; NaN stays NaN.
HOP_INLINE Pack bound(Pack x, Pack low, Pack high) {
  return FloatVector(_mm512_min_ps(__m512(high.v), _mm512_max_ps(__m512(low.v), __m512(x.v))));
}
/// x 2^n for a whole n, rounded once.
HOP_INLINE Pack scale(Pack x, Pack n) { return FloatVector(_mm512_scalef_ps(__m512(x.v), __m512(n.v))); }
#else
HOP_INLINE __m128i truth_bytes(Mask m) {  // in the low half
  const auto v = __m256i(m.v);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  return _mm_and_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(1));
}
HOP_INLINE __m256i first_lanes(std::int64_t count) {
  return __m256i(IntVector{0, 1, 2, 3, 4, 5, 6, 7} < static_cast<std::int32_t>(count));
}
HOP_INLINE Pack Pack::load(const float* p, std::int64_t count) {
  return FloatVector(_mm256_maskload_ps(p, first_lanes(count)));
}
HOP_INLINE void Pack::store(float* p, std::int64_t count) const {
  _mm256_maskstore_ps(p, first_lanes(count), __m256(v));
}
HOP_INLINE Pack fma(Pack a, Pack b, Pack c) {
  return FloatVector(_mm256_fmadd_ps(__m256(a.v), __m256(b.v), __m256(c.v)));
}
HOP_INLINE Pack sqrt(Pack x) { return FloatVector(_mm256_sqrt_ps(__m256(x.v))); }
HOP_INLINE Pack bound(Pack x, Pack low, Pack high) {
  return FloatVector(_mm256_min_ps(__m256(high.v), _mm256_max_ps(__m256(low.v), __m256(x.v))));
}
/// |n| <= 252. Scales in two steps, so that no intermediate result is infinite or denormal.
HOP_INLINE Pack scale(Pack x, Pack n) {
  const IntVector whole = __builtin_convertvector(n.v, IntVector);
  const IntVector half = whole >> 1;
  return x * from_bits((half + 127) << 23) * from_bits((whole - half + 127) << 23);
}
#endif
HOP_INLINE Pack rsqrt(Pack x) { return 1 / sqrt(x); }

/// Whole numbers; NaN, infinities and the sign of 0 stay. round takes the even neighbour of a half.
#ifdef __AVX512F__
#define HOP_ROUNDED(x, mode) FloatVector(_mm512_roundscale_ps(__m512((x).v), (mode) | _MM_FROUND_NO_EXC))
#else
#define HOP_ROUNDED(x, mode) FloatVector(_mm256_round_ps(__m256((x).v), (mode) | _MM_FROUND_NO_EXC))
#endif
HOP_INLINE Pack floor(Pack x) { return HOP_ROUNDED(x, _MM_FROUND_TO_NEG_INF); }
HOP_INLINE Pack ceil(Pack x) { return HOP_ROUNDED(x, _MM_FROUND_TO_POS_INF); }
HOP_INLINE Pack trunc(Pack x) { return HOP_ROUNDED(x, _MM_FROUND_TO_ZERO); }
HOP_INLINE Pack round(Pack x) { return HOP_ROUNDED(x, _MM_FROUND_TO_NEAREST_INT); }
#undef HOP_ROUNDED

// NaN wins, as in PyTorch. A comparison with a NaN in b is false, so b is chosen; a NaN in a needs its own test.
HOP_INLINE Pack maximum(Pack a, Pack b) { return where((a > b) | (a != a), a, b); }
HOP_INLINE Pack minimum(Pack a, Pack b) { return where((a < b) | (a != a), a, b); }

}  // namespace HOP_ROWS_NAMESPACE
