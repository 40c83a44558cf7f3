// The tensor core's smallest bf16 product, one warp wide: C (16, 8) f32 += A (16, 16) bf16 times B (16, 8) bf16, as
// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 (PTX ISA, "Matrix Fragments for mma.m16n8k16"; sm_80 and above).
//
// A warp holds the three matrices in registers, spread over its lanes. With group = lane / 4 and pair = lane % 4:
// clang-format off
//   A  a[0], a[1]  rows group and group + 8, columns 2 pair and 2 pair + 1
//      a[2], a[3]  the same rows, columns 8 more
//   B  b[0], b[1]  rows 2 pair and 2 pair + 1, and 8 more; column group
//   C  c[0], c[1]  row group,     columns 2 pair and 2 pair + 1
//      c[2], c[3]  row group + 8, the same columns
// clang-format on
// Each of a and b is a pair of bf16, the one of the lower row or column in the low half.
//
// Over simt the lanes share their fragments, and each lane computes its own four sums, in double. A tensor core adds in
// its own order and drops low bits: the two agree to about 2^-21 of the largest product, not in bits.
#pragma once

#include "kernels/cuda/language.h"

namespace hop::kernels::cuda {

/// Two floats, each rounded to the nearest bf16 (ties to even), as one register: `low` in the low half.
__device__ inline unsigned pack_bf16(float low, float high) {
#if defined(HOP_SIMT)
  const auto round = [](float value) {
    const unsigned bits = __float_as_uint(value);
    if (value != value) return 0x7fffU;  // the hardware's NaN
    return (bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U;
  };
  return round(high) << 16U | round(low);
#else
  unsigned packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
#endif
}

#if defined(HOP_SIMT)

namespace detail {

struct MmaFragments {
  const unsigned *a, *b;
  const float* c;
  float d[4];
};

inline double bf16_half(unsigned packed, unsigned half) {
  return static_cast<double>(__uint_as_float(half == 0 ? packed << 16U : packed & 0xffff0000U));
}

// The result of `lane` once all 32 lanes have shared their fragments.
inline std::uint64_t mma_lane(const std::uint64_t* fragments, unsigned present, unsigned lane, std::uint64_t) {
  const auto at = [&](unsigned of) { return reinterpret_cast<MmaFragments*>(fragments[of]); };
  if (present != 0xffffffffU) {  // some lanes have ended: undefined on a GPU
    for (float& d : at(lane)->d) d = NAN;
    return 0;
  }
  const unsigned group = lane / 4, pair = lane % 4;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = group + (i < 2 ? 0 : 8), column = 2 * pair + i % 2;
    double sum = static_cast<double>(at(lane)->c[i]);
    for (unsigned k = 0; k < 16; ++k) {
      const unsigned holder = k % 8 / 2;  // the lane of a row's or a column's group that holds k
      const double a = bf16_half(at(row % 8 * 4 + holder)->a[(row / 8) + (k / 8) * 2], k % 2);
      const double b = bf16_half(at(column * 4 + holder)->b[k / 8], k % 2);
      sum += a * b;
    }
    at(lane)->d[i] = static_cast<float>(sum);
  }
  return 0;
}

}  // namespace detail

#endif

/// c += a b. All 32 lanes of the warp call it together.
#if defined(HOP_SIMT)
inline void mma_m16n8k16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                         simt::Location where = simt::Location::current()) {
  detail::MmaFragments mine{a, b, c, {}};
  simt::warp_meeting("mma_m16n8k16", 0xffffffffU, reinterpret_cast<std::uint64_t>(&mine), 0, detail::mma_lane, where);
  for (int i = 0; i < 4; ++i) c[i] = mine.d[i];
}
#else
__device__ inline void mma_m16n8k16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

}  // namespace hop::kernels::cuda
