// The words that the rows of elementwise.def may use, for C++ numbers. The same words exist for packs of floats
// (cpu/isa/pack.h), for the probe below and, in autograd/, for Tensor (found by argument-dependent lookup in namespace
// hop):
//
//   + - * /  unary -     == != < <= > >= (with T, a small integer, or c<T>(v))     & | between conditions
//   exp expm1 log log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh erf sigmoid abs sign maximum minimum
//   floor ceil trunc round, and of two operands pow atan2 hypot remainder fmod floor_divide
//   pow_scalar(x, e)     e a double: an attribute of the row
//   where(cond, a, b)    cond a comparison of T, or a plain bool (about attributes); a, b of type T
//   zero_like(x), one_like(x), c<T>(0.5)
//
// Each function is itself a row or made of rows, so every rule can be differentiated again.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

// Code that is compiled once per instruction set (kernels/cpu/isa/) lives in a namespace named after the set: the
// linker must never keep an inline function built for AVX-512 as the copy for everybody. Elsewhere the namespace has no
// such part.
#ifdef HOP_ISA
#define HOP_ROWS_NAMESPACE hop::kernels::rows::inline HOP_ISA
#else
#define HOP_ROWS_NAMESPACE hop::kernels::rows
#endif

#ifdef __CUDACC__
#define HOP_INLINE __host__ __device__ __forceinline__
#else
#define HOP_INLINE inline __attribute__((always_inline))
#endif

namespace HOP_ROWS_NAMESPACE {

inline constexpr double kSqrtHalf = 0.70710678118654752440;          // 1 / sqrt(2)
inline constexpr double kTwoOverSqrtPi = 1.12837916709551257390;     // 2 / sqrt(pi)
inline constexpr double kTwoSqrtTwoOverPi = 1.59576912160573071176;  // 2 sqrt(2 / pi)
inline constexpr double kOneOverSqrtTwoPi = 0.39894228040143267794;  // 1 / sqrt(2 pi)

/// How a double becomes a constant that mixes with T. Specialised for Tensor, where it is a Scalar (elementwise.h).
template <class T>
struct Constant {
  static HOP_INLINE constexpr T of(double value) {
    if constexpr (std::is_integral_v<T>) {  // saturates: c<int>(infinity) is the largest int
      if (!(value > static_cast<double>(std::numeric_limits<T>::lowest()))) return std::numeric_limits<T>::lowest();
      if (!(value < static_cast<double>(std::numeric_limits<T>::max()))) return std::numeric_limits<T>::max();
    }
    return static_cast<T>(value);
  }
};
template <class T>
HOP_INLINE constexpr auto c(double value) {
  return Constant<T>::of(value);
}

template <class T>
concept Number = std::is_arithmetic_v<T>;
template <class T>
concept Integer = std::is_integral_v<T>;
template <class T>
concept Real = std::is_floating_point_v<T>;

// A plain condition works for every T: packs and tensors are chosen as a whole.
template <class T>
HOP_INLINE constexpr T where(bool condition, const T& a, const T& b) {
  return condition ? a : b;
}

template <Number T>
HOP_INLINE constexpr T zero_like(T) {
  return T{0};
}
template <Number T>
HOP_INLINE constexpr T one_like(T) {
  return T{1};
}

template <Real T>
HOP_INLINE T exp(T x) {
  return std::exp(x);
}
template <Real T>
HOP_INLINE T expm1(T x) {
  return std::expm1(x);
}
template <Real T>
HOP_INLINE T log(T x) {
  return std::log(x);
}
template <Real T>
HOP_INLINE T log1p(T x) {
  return std::log1p(x);
}
template <Real T>
HOP_INLINE T sqrt(T x) {
  return std::sqrt(x);
}
template <Real T>
HOP_INLINE T sin(T x) {
  return std::sin(x);
}
template <Real T>
HOP_INLINE T cos(T x) {
  return std::cos(x);
}
template <Real T>
HOP_INLINE T tan(T x) {
  return std::tan(x);
}
template <Real T>
HOP_INLINE T asin(T x) {
  return std::asin(x);
}
template <Real T>
HOP_INLINE T acos(T x) {
  return std::acos(x);
}
template <Real T>
HOP_INLINE T atan(T x) {
  return std::atan(x);
}
template <Real T>
HOP_INLINE T sinh(T x) {
  return std::sinh(x);
}
template <Real T>
HOP_INLINE T cosh(T x) {
  return std::cosh(x);
}
template <Real T>
HOP_INLINE T tanh(T x) {
  return std::tanh(x);
}
template <Real T>
HOP_INLINE T atan2(T a, T b) {
  return std::atan2(a, b);
}
template <Real T>
HOP_INLINE T hypot(T a, T b) {
  return std::hypot(a, b);
}
template <Real T>
HOP_INLINE T erf(T x) {
  return std::erf(x);
}
template <Real T>
HOP_INLINE T rsqrt(T x) {
  return 1 / std::sqrt(x);
}

/// x < 0, without nvcc's warning for types that have no negative value.
template <Number T>
HOP_INLINE constexpr bool is_negative(T x) {
  if constexpr (std::is_unsigned_v<T>)
    return false;
  else
    return x < 0;
}
template <Number T>
HOP_INLINE constexpr T abs(T x) {
  if constexpr (Real<T>)
    return std::fabs(x);
  else
    return static_cast<T>(is_negative(x) ? -x : x);
}
/// NaN wins, as in PyTorch.
template <Number T>
HOP_INLINE constexpr T maximum(T a, T b) {
  return a > b || a != a ? a : b;
}
template <Number T>
HOP_INLINE constexpr T minimum(T a, T b) {
  return a < b || a != a ? a : b;
}
template <Number T>
HOP_INLINE constexpr T floor(T x) {
  if constexpr (Real<T>)
    return std::floor(x);
  else
    return x;
}
template <Number T>
HOP_INLINE constexpr T ceil(T x) {
  if constexpr (Real<T>)
    return std::ceil(x);
  else
    return x;
}
template <Number T>
HOP_INLINE constexpr T trunc(T x) {
  if constexpr (Real<T>)
    return std::trunc(x);
  else
    return x;
}
template <Number T>
HOP_INLINE constexpr T round(T x) {
  if constexpr (Real<T>)
    return std::rint(x);
  else
    return x;
}

/// C's % and /, which trap for a divisor of 0 and for the least integer divided by -1.
template <Number T>
HOP_INLINE constexpr T fmod(T a, T b) {
  if constexpr (Real<T>)
    return std::fmod(a, b);
  else
    return b == 0 || (std::is_signed_v<T> && b == static_cast<T>(-1)) ? T{0} : static_cast<T>(a % b);
}
template <Number T>
HOP_INLINE constexpr T remainder(T a, T b) {
  const T rest = fmod(a, b);
  return rest != 0 && is_negative(rest) != is_negative(b) ? static_cast<T>(rest + b) : rest;
}
/// The largest whole number that is at most a / b, as exact as Python's a // b.
template <Number T>
HOP_INLINE constexpr T floor_divide(T a, T b) {
  if constexpr (Real<T>) {
    if (b == 0) return a / b;
    const T rest = fmod(a, b);
    const T quotient = (a - rest) / b - (rest != 0 && (rest < 0) != (b < 0) ? T{1} : T{0});
    const T below = floor(quotient);
    return quotient - below > T{0.5} ? below + 1 : below;  // the division may have rounded down
  } else {
    if (b == 0) return T{0};
    if constexpr (std::is_signed_v<T>) {
      using U = std::make_unsigned_t<T>;
      if (b == -1) return static_cast<T>(U{0} - static_cast<U>(a));  // wraps
    }
    const T quotient = static_cast<T>(a / b);
    return a % b != 0 && is_negative(a) != is_negative(b) ? static_cast<T>(quotient - 1) : quotient;
  }
}

template <Real T>
HOP_INLINE T pow(T x, T y) {
  return std::pow(x, y);
}
/// Squaring; a negative exponent gives the truncated quotient 1 / x^-y (0 for x = 0), as in PyTorch.
template <Integer T>
HOP_INLINE constexpr T pow(T x, T y) {
  if (is_negative(y)) return static_cast<T>(x == 1 ? 1 : x == static_cast<T>(-1) ? (y % 2 == 0 ? 1 : -1) : 0);
  using U = std::make_unsigned_t<T>;  // wraps instead of overflowing
  U result = 1;
  for (U base = static_cast<U>(x); y != 0; y = static_cast<T>(y >> 1)) {
    if ((y & 1) != 0) result = static_cast<U>(result * base);
    base = static_cast<U>(base * base);
  }
  return static_cast<T>(result);
}

// These three also work for packs.
template <class T>
HOP_INLINE constexpr T sigmoid(const T& x) {
  return 1 / (1 + exp(-x));
}
/// -1, 0 or 1; 0 for NaN, as in PyTorch.
template <class T>
HOP_INLINE constexpr T sign(const T& x) {
  if constexpr (Number<T>)
    return static_cast<T>((x > 0) - is_negative(x));
  else
    return where(x > 0, one_like(x), where(x < 0, -one_like(x), zero_like(x)));
}
/// An attribute as the exponent: the common ones are exact and cheap.
template <class T>
HOP_INLINE T pow_scalar(const T& x, double exponent) {
  if (exponent == 1) return x;
  if (exponent == 2) return x * x;
  if (exponent == 3) return x * x * x;
  if (exponent == 0.5) return sqrt(x);
  if (exponent == -1) return 1 / x;
  return pow(x, T(c<T>(exponent)));
}

}  // namespace HOP_ROWS_NAMESPACE
