// Lanes<T>: sixteen values side by side, for every T and both instruction sets. So a kernel that adds in sixteen lanes
// has the same tree and the same bits on v3 and v4. Floats take one register on v4 and two on v3; doubles and i64 take
// twice as many. Only for sources under kernels/cpu/isa/ (see isa_internal.h). The loops over registers have constant
// bounds, so the compiler unrolls them.
#pragma once

#include "kernels/cpu/isa/pack.h"
#include "kernels/cpu/isa/shuffle.h"

namespace hop::kernels::HOP_ISA {

inline constexpr int kLaneCount = 16;

template <class T>
struct Lanes {
  static constexpr int kPerRegister = rows::kPackBytes / static_cast<int>(sizeof(T));
  static constexpr int kRegisters = kLaneCount / kPerRegister;
  using Register __attribute__((vector_size(rows::kPackBytes))) = T;

  Register r[kRegisters];

  Lanes() = default;
  HOP_INLINE Lanes(T value) {
#pragma GCC unroll 16
    for (int i = 0; i < kRegisters; ++i) r[i] = value - Register{};
  }
};

/// f applied register by register: map(f, a, b).r[i] = f(a.r[i], b.r[i]).
template <class F, class T, class... More>
HOP_INLINE Lanes<T> map(const F& f, Lanes<T> a, More... more) {
  Lanes<T> y;
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<T>::kRegisters; ++i) y.r[i] = f(a.r[i], more.r[i]...);
  return y;
}

template <class T>
HOP_INLINE Lanes<T> operator+(Lanes<T> a, Lanes<T> b) {
  return map([](auto u, auto v) { return u + v; }, a, b);
}
template <class T>
HOP_INLINE Lanes<T> operator-(Lanes<T> a, Lanes<T> b) {
  return map([](auto u, auto v) { return u - v; }, a, b);
}
template <class T>
HOP_INLINE Lanes<T> operator*(Lanes<T> a, Lanes<T> b) {
  return map([](auto u, auto v) { return u * v; }, a, b);
}
template <class T>
HOP_INLINE Lanes<T> operator/(Lanes<T> a, Lanes<T> b) {
  return map([](auto u, auto v) { return u / v; }, a, b);
}
/// NaN wins; of equal values (+0, -0) the second.
template <class T>
HOP_INLINE Lanes<T> maximum(Lanes<T> a, Lanes<T> b) {
  return map([](auto u, auto v) { return ((u > v) | (u != u)) ? u : v; }, a, b);
}

// a * b + c rounded once, and loads and stores of the first n lanes of a register: the vector extensions have no
// operator for these.
namespace detail {

template <class T>
using Register = typename Lanes<T>::Register;

#ifdef __AVX512F__
HOP_INLINE Register<float> fma(Register<float> a, Register<float> b, Register<float> c) {
  return _mm512_fmadd_ps(a, b, c);
}
HOP_INLINE Register<double> fma(Register<double> a, Register<double> b, Register<double> c) {
  return _mm512_fmadd_pd(a, b, c);
}
HOP_INLINE unsigned mask(int n) { return (1U << n) - 1; }
HOP_INLINE Register<float> first(int n, Register<float> x, Register<float> rest) {
  return _mm512_mask_mov_ps(rest, static_cast<__mmask16>(mask(n)), x);
}
HOP_INLINE Register<double> first(int n, Register<double> x, Register<double> rest) {
  return _mm512_mask_mov_pd(rest, static_cast<__mmask8>(mask(n)), x);
}
HOP_INLINE Register<float> load(const float* p, int n) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask(n)), p);
}
HOP_INLINE Register<double> load(const double* p, int n) {
  return _mm512_maskz_loadu_pd(static_cast<__mmask8>(mask(n)), p);
}
HOP_INLINE void store(float* p, int n, Register<float> x) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>(mask(n)), x);
}
HOP_INLINE void store(double* p, int n, Register<double> x) {
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>(mask(n)), x);
}
#else
HOP_INLINE Register<float> fma(Register<float> a, Register<float> b, Register<float> c) {
  return _mm256_fmadd_ps(a, b, c);
}
HOP_INLINE Register<double> fma(Register<double> a, Register<double> b, Register<double> c) {
  return _mm256_fmadd_pd(a, b, c);
}
HOP_INLINE auto mask(int n, float) { return rows::IntVector{0, 1, 2, 3, 4, 5, 6, 7} < n; }
HOP_INLINE auto mask(int n, double) { return Register<std::int64_t>{0, 1, 2, 3} < std::int64_t{n}; }
HOP_INLINE Register<float> first(int n, Register<float> x, Register<float> rest) { return mask(n, 0.0F) ? x : rest; }
HOP_INLINE Register<double> first(int n, Register<double> x, Register<double> rest) { return mask(n, 0.0) ? x : rest; }
HOP_INLINE Register<float> load(const float* p, int n) {
  return _mm256_maskload_ps(p, reinterpret_cast<__m256i>(mask(n, 0.0F)));
}
HOP_INLINE Register<double> load(const double* p, int n) {
  return _mm256_maskload_pd(p, reinterpret_cast<__m256i>(mask(n, 0.0)));
}
HOP_INLINE void store(float* p, int n, Register<float> x) {
  _mm256_maskstore_ps(p, reinterpret_cast<__m256i>(mask(n, 0.0F)), x);
}
HOP_INLINE void store(double* p, int n, Register<double> x) {
  _mm256_maskstore_pd(p, reinterpret_cast<__m256i>(mask(n, 0.0)), x);
}
#endif

}  // namespace detail

template <class T>
HOP_INLINE Lanes<T> fma(Lanes<T> a, Lanes<T> b, Lanes<T> c) {
  return map(
      [](auto u, auto v, auto w) __attribute__((always_inline)) { return detail::fma(u, v, w); }, a, b, c);
}

/// Sixteen neighbours, at any address.
template <class T>
HOP_INLINE Lanes<T> load(const T* p) {
  Lanes<T> x;
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<T>::kRegisters; ++i)
    __builtin_memcpy(&x.r[i], p + i * Lanes<T>::kPerRegister, sizeof x.r[i]);
  return x;
}
template <class T>
HOP_INLINE void store(T* p, Lanes<T> x) {
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<T>::kRegisters; ++i)
    __builtin_memcpy(p + i * Lanes<T>::kPerRegister, &x.r[i], sizeof x.r[i]);
}

/// How many of the first n lanes lie in register i: 0 .. kPerRegister.
template <class T>
HOP_INLINE int lanes_in_register(int n, int i) {
  const int left = n - i * Lanes<T>::kPerRegister;
  return left < 0 ? 0 : left < Lanes<T>::kPerRegister ? left : Lanes<T>::kPerRegister;
}

/// The first n <= 16 neighbours, zeros in the other lanes; no byte behind p[n - 1] is touched.
template <class T>
HOP_INLINE Lanes<T> load(const T* p, int n) {
  Lanes<T> x;
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<T>::kRegisters; ++i) {
    x.r[i] = detail::load(p + i * Lanes<T>::kPerRegister, lanes_in_register<T>(n, i));
  }
  return x;
}
template <class T>
HOP_INLINE void store(T* p, int n, Lanes<T> x) {
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<T>::kRegisters; ++i) {
    detail::store(p + i * Lanes<T>::kPerRegister, lanes_in_register<T>(n, i), x.r[i]);
  }
}

/// load(p, n) and store(p, n, x), quicker if n is usually 16.
template <class T>
HOP_INLINE Lanes<T> load_up_to(const T* p, int n) {
  return n == kLaneCount ? load(p) : load(p, n);
}
template <class T>
HOP_INLINE void store_up_to(T* p, int n, Lanes<T> x) {
  n == kLaneCount ? store(p, x) : store(p, n, x);
}

/// The first n lanes of x, `rest` in the others.
template <class T>
HOP_INLINE Lanes<T> first(int n, Lanes<T> x, T rest) {
  const Lanes<T> fill(rest);
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<T>::kRegisters; ++i) x.r[i] = detail::first(lanes_in_register<T>(n, i), x.r[i], fill.r[i]);
  return x;
}

/// Lane l gets lane l + k, for l < k; k is a power of two below 16. The other lanes are unspecified.
template <int k, class T>
HOP_INLINE Lanes<T> shifted_down(Lanes<T> x) {
  constexpr int kWidth = Lanes<T>::kPerRegister;
  Lanes<T> y;
  if constexpr (k >= kWidth) {
#pragma GCC unroll 16
    for (int i = 0; i < Lanes<T>::kRegisters; ++i) y.r[i] = x.r[(i + k / kWidth) % Lanes<T>::kRegisters];
  } else {
    constexpr auto kFrom = [](int lane) { return (lane + k) % kWidth; };
#pragma GCC unroll 16
    for (int i = 0; i < Lanes<T>::kRegisters; ++i) y.r[i] = shuffled(x.r[i], x.r[i], kFrom);
  }
  return y;
}

}  // namespace hop::kernels::HOP_ISA
