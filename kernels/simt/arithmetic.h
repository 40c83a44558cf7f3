// CUDA's arithmetic functions in C++. Exact ones give a GPU's bits (integers, bit casts, conversions, + - * / sqrt fma
// rounded to nearest); rsqrt and the functions of <math.h> (expf, logf, tanhf, ..) differ from a GPU in the last bits.
#pragma once

#include <math.h>

#include <algorithm>
#include <bit>
#include <cstdint>

using std::max;  // CUDA has them without std::
using std::min;

// ---- Integers

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
/// The place of the lowest set bit, counted from 1; 0 for 0.
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int bit = 0; bit < 32; ++bit) reversed |= (x >> bit & 1U) << (31 - bit);
  return reversed;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} * std::uint64_t{b}) >> 32U);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<unsigned long long>((Wide{a} * Wide{b}) >> 64U);
}

// ---- Bits

inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }

// ---- Conversions: out of range gives the nearest integer and NaN gives 0, as `cvt` does (C++ leaves it undefined).

namespace hop::simt {
template <class To, class From>
To saturate(From x, From below, From above, To lowest, To highest) {
  if (!(x == x)) return 0;
  return x <= below ? lowest : x >= above ? highest : static_cast<To>(x);
}
inline int to_int(double x) { return saturate<int>(x, -0x1p31, 0x1p31, INT32_MIN, INT32_MAX); }
inline unsigned to_uint(double x) { return saturate<unsigned>(x, 0.0, 0x1p32, 0U, UINT32_MAX); }
inline long long to_longlong(double x) { return saturate<long long>(x, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX); }
}  // namespace hop::simt

inline int __float2int_rn(float x) { return hop::simt::to_int(nearbyintf(x)); }
inline int __float2int_rz(float x) { return hop::simt::to_int(truncf(x)); }
inline int __float2int_rd(float x) { return hop::simt::to_int(floorf(x)); }
inline int __float2int_ru(float x) { return hop::simt::to_int(ceilf(x)); }
inline unsigned __float2uint_rn(float x) { return hop::simt::to_uint(nearbyintf(x)); }
inline unsigned __float2uint_rz(float x) { return hop::simt::to_uint(truncf(x)); }
inline int __double2int_rn(double x) { return hop::simt::to_int(nearbyint(x)); }
inline int __double2int_rz(double x) { return hop::simt::to_int(trunc(x)); }
inline long long __float2ll_rn(float x) { return hop::simt::to_longlong(nearbyintf(x)); }
inline long long __float2ll_rz(float x) { return hop::simt::to_longlong(truncf(x)); }
inline long long __double2ll_rn(double x) { return hop::simt::to_longlong(nearbyint(x)); }
inline long long __double2ll_rz(double x) { return hop::simt::to_longlong(trunc(x)); }
inline float __double2float_rn(double x) { return static_cast<float>(x); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
inline double __ll2double_rn(long long x) { return static_cast<double>(x); }

// ---- Rounded to nearest, never fused

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0F / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

inline float rsqrtf(float x) { return 1.0F / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }

// ---- Loads and stores with a cache hint

template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class T>
T __ldcs(const T* address) {
  return *address;
}
template <class T>
void __stcs(T* address, T value) {
  *address = value;
}
