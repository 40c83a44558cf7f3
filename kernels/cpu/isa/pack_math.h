// The transcendental words of the vocabulary for packs of floats, within 3 units in the last place over the whole
// range, special values as IEEE 754 has them. exp, expm1, log, log1p and erf are our own, because Eigen 3.4's stop at
// exp(88.4) on AVX-512 and flush or clamp below 2^-126, its erf is off by 35 units, and its pow is slow; tanh, sin and
// cos are Eigen's. The polynomials are near-minimax fits (Lawson's algorithm, 40 digits) of the functions named beside
// them. tan, asin, acos, atan, sinh, cosh, atan2, hypot and fmod are the C library's, one lane after another: they are
// rare in training, and cost 5 to 20 ns per element.
#pragma once

#include "kernels/cpu/isa/pack.h"
#include "kernels/cpu/isa/pack_pow.h"

namespace HOP_ROWS_NAMESPACE {

namespace detail {

/// Horner's rule, highest power first.
template <class... Coefficients>
HOP_INLINE Pack polynomial(Pack x, float leading, Coefficients... rest) {
  Pack p = leading;
  ((p = fma(p, x, rest)), ...);
  return p;
}

/// x = n log(2) + r with n whole and |r| <= log(2) / 2.
struct Reduced {
  Pack n;
  Pack r;
};
HOP_INLINE Reduced reduce_exp(Pack x) {
  const Pack kShift = 12582912.0F;  // 1.5 * 2^23: adding it rounds to a whole number in the low bits
  const Pack shifted = fma(x, 1.44269504F, kShift);
  const Pack n = shifted - kShift;
  return {n, fma(n, 1.904654299e-9F, fma(n, -0.693147182F, x))};
}

/// (e^r - 1 - r) / r^2
HOP_INLINE Pack exp_tail(Pack r) {
  return polynomial(r, 1.381313545e-3F, 8.369419724e-3F, 4.166845605e-2F, 1.666651517e-1F, 4.999999404e-1F);
}

using EigenPack = Eigen::Array<float, kLanes, 1>;
HOP_INLINE EigenPack to_eigen(Pack x) {
  EigenPack e;
  x.store(e.data());
  return e;
}
template <class Expression>
HOP_INLINE Pack from_eigen(const Expression& e) {
  const EigenPack values = e;
  return Pack::load(values.data());
}

}  // namespace detail

HOP_INLINE Pack exp(Pack x) {
  const auto [n, r] = detail::reduce_exp(bound(x, -104.0F, 89.0F));  // beyond: 0 and infinity
  return scale(fma(r * r, detail::exp_tail(r), r) + 1, n);
}

HOP_INLINE Pack expm1(Pack x) {
  const auto [n, r] = detail::reduce_exp(bound(x, -20.0F, 89.0F));
  const Pack q = fma(r * r, detail::exp_tail(r), r);  // e^r - 1
  const Pack half_power = scale(0.5F, n);             // halved: 2^128 is not a float
  const Pack y = 2 * fma(half_power, q, half_power - 0.5F);
  return where(abs(x) < 1e-5F, x * fma(0.5F, x, 1), y);  // keeps -0 and denormals
}

HOP_INLINE Pack log(Pack x) {
  const Mask tiny = x < 0x1p-126F;
  const Pack scaled = where(tiny, x * 0x1p25F, x);
  // scaled = 2^e m with sqrt(1/2) <= m < sqrt(2)
  const auto offset = IntVector(UintVector(bits(scaled)) - 0x3f3504f3U);  // unsigned: it may wrap
  const IntVector e = (offset >> 23) - (tiny.v & 25);
  const Pack f = from_bits((offset & 0x007fffff) + 0x3f3504f3) - 1;
  const Pack p = detail::polynomial(f, -7.634225488e-2F, 1.276146770e-1F, -1.316023320e-1F, 1.420177668e-1F,
                                    -1.662335396e-1F, 2.000122666e-1F, -2.500082254e-1F, 3.333333135e-1F);
  const Pack exponent = __builtin_convertvector(e, FloatVector);
  // e log(2) + f - f^2 / 2 + f^3 p(f), small parts first
  const Pack tail = fma(f * f, fma(f, p, -0.5F), exponent * -1.904654299e-9F);
  const Pack y = fma(exponent, 0.693147182F, f + tail);
  const Pack infinity = __builtin_inff();
  const Pack nan = __builtin_nanf("");
  return where(x > 0, where(x == infinity, infinity, y), where(x == 0, -infinity, where(x < 0, nan, x)));
}

HOP_INLINE Pack log1p(Pack x) {
  const Pack u = 1 + x;
  const Pack lost = x - (u - 1);  // the error of rounding u, to first order
  const Mask whole = (u == __builtin_inff()) | (u <= 0);
  return where(abs(x) < 1e-5F, x * fma(-0.5F, x, 1), where(whole, log(u), log(u) + lost / u));
}

HOP_INLINE Pack erf(Pack x) {
  const Pack a = abs(x);
  const Pack t = x * x;
  const Pack small = x * detail::polynomial(t, 7.853846910e-5F, -8.010189049e-4F, 5.188327283e-3F, -2.685381100e-2F,
                                            1.128358543e-1F, -3.761262596e-1F, 1.128379107F);
  const Pack b = where(a > 4, 4, a);
  const Pack minus_log_erfc = detail::polynomial(b, -1.863827347e-4F, 2.947692061e-3F, -2.183819562e-2F,
                                                 1.031070203e-1F, 6.381445527e-1F, 1.127089381F, 3.414815292e-4F);
  return where(a < 1, small, copysign(1 - exp(-minus_log_erfc), x));
}

HOP_INLINE Pack tanh(Pack x) { return detail::from_eigen(detail::to_eigen(x).tanh()); }
HOP_INLINE Pack sin(Pack x) { return detail::from_eigen(detail::to_eigen(x).sin()); }
HOP_INLINE Pack cos(Pack x) { return detail::from_eigen(detail::to_eigen(x).cos()); }

namespace detail {

/// f of each lane. f calls the C library by its builtin name: an inline function of <cmath> could be emitted here with
/// AVX-512 and become everybody's copy.
template <class F>
HOP_INLINE Pack lane_by_lane(const F& f, Pack a, Pack b = 0) {
  alignas(kPackBytes) float x[kLanes], y[kLanes];
  a.store(x);
  b.store(y);
  for (int i = 0; i < kLanes; ++i) x[i] = f(x[i], y[i]);
  return Pack::load(x);
}

}  // namespace detail

#define HOP_LANES1(name)                                                                   \
  HOP_INLINE Pack name(Pack x) {                                                           \
    return detail::lane_by_lane([](float v, float) { return __builtin_##name##f(v); }, x); \
  }
#define HOP_LANES2(name)                                                                           \
  HOP_INLINE Pack name(Pack a, Pack b) {                                                           \
    return detail::lane_by_lane([](float u, float v) { return __builtin_##name##f(u, v); }, a, b); \
  }
HOP_LANES1(tan)
HOP_LANES1(asin)
HOP_LANES1(acos)
HOP_LANES1(atan)
HOP_LANES1(sinh)
HOP_LANES1(cosh)
HOP_LANES2(atan2)
HOP_LANES2(hypot)
HOP_LANES2(fmod)
#undef HOP_LANES1
#undef HOP_LANES2

namespace detail {

/// Whether what is left of a division by b has another sign than b.
HOP_INLINE Mask is_on_the_other_side(Pack rest, Pack b) {
  const Mask differs = {(rest < 0).v ^ (b < 0).v};
  return (rest != 0) & differs;
}

}  // namespace detail

HOP_INLINE Pack remainder(Pack a, Pack b) {
  const Pack rest = fmod(a, b);
  return where(detail::is_on_the_other_side(rest, b), rest + b, rest);
}
HOP_INLINE Pack floor_divide(Pack a, Pack b) {
  const Pack rest = fmod(a, b);
  const Pack quotient = (a - rest) / b - where(detail::is_on_the_other_side(rest, b), 1, 0);
  const Pack below = floor(quotient);
  return where(b == 0, a / b, where(quotient - below > 0.5F, below + 1, below));
}

}  // namespace HOP_ROWS_NAMESPACE
