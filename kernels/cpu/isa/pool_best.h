// The running maximum of sixteen pooling windows. Only for sources under kernels/cpu/isa/.
#pragma once

#include "kernels/cpu/isa/lanes.h"
#include "kernels/shapes_internal.h"

namespace hop::kernels::HOP_ISA {

/// A register of whole numbers as wide as T: the result of comparing registers, and places in a plane.
template <class T>
using Places = decltype(typename Lanes<T>::Register{} < typename Lanes<T>::Register{});
template <class T>
using Place = std::remove_cvref_t<decltype(Places<T>{}[0])>;

/// 0, 1, 2, ..
template <class T>
HOP_INLINE Places<T> lane_numbers() {
  Places<T> lane;
#pragma GCC unroll 16
  for (int l = 0; l < Lanes<T>::kPerRegister; ++l) lane[l] = l;
  return lane;
}

/// The first value in the plane, along one dimension, of a window that begins at `begin`, which may be negative.
HOP_INLINE std::int64_t first_inside(std::int64_t begin, std::int64_t dilation) {
  if (begin >= 0) return begin;
  return dilation == 1 ? 0 : (dilation - -begin % dilation) % dilation;
}

/// The values of an average's window, along one dimension of `size` values, that count where windows differ.
HOP_INLINE std::int64_t counted(std::int64_t output, std::int64_t step, std::int64_t window, std::int64_t padding,
                                std::int64_t size, bool counts_padding) {
  const std::int64_t begin = output * step - padding, end = begin + window;
  const std::int64_t outside = counts_padding ? padding : 0;
  return (end < size + outside ? end : size + outside) - (begin > -outside ? begin : -outside);
}
HOP_INLINE std::int64_t counted_rows(const PoolShape& z, std::int64_t p) {
  return counted(p, z.row_step, z.r, z.row_padding, z.h, z.counts_padding);
}
HOP_INLINE std::int64_t counted_columns(const PoolShape& z, std::int64_t q) {
  return counted(q, z.column_step, z.s, z.column_padding, z.w, z.counts_padding);
}

/// The running maximum of sixteen windows and its place. A later value replaces it only if it is larger, or is the
/// first NaN.
template <class T>
struct Best {
  Lanes<T> value = -std::numeric_limits<T>::infinity();
  Places<T> place[Lanes<T>::kRegisters];

  /// Starts at the first element of each window, so that a window of -infinity names it: all at one place, ..
  HOP_INLINE explicit Best(std::int64_t first) {
#pragma GCC unroll 16
    for (int i = 0; i < Lanes<T>::kRegisters; ++i) place[i] = static_cast<Place<T>>(first) - Places<T>{};
  }
  /// .. or at row + the larger of 0 and left + l step.
  HOP_INLINE Best(std::int64_t row, std::int64_t left, std::int64_t step) {
#pragma GCC unroll 16
    for (int i = 0; i < Lanes<T>::kRegisters; ++i) {
      const Places<T> column =
          (lane_numbers<T>() + i * Lanes<T>::kPerRegister) * static_cast<Place<T>>(step) + static_cast<Place<T>>(left);
      place[i] = (column > 0 ? column : Places<T>{}) + static_cast<Place<T>>(row);
    }
  }

  /// .. or at row + columns[l].
  HOP_INLINE Best(std::int64_t row, const Place<T> (&columns)[kLaneCount]) {
    __builtin_memcpy(place, columns, sizeof columns);
#pragma GCC unroll 16
    for (int i = 0; i < Lanes<T>::kRegisters; ++i) place[i] += static_cast<Place<T>>(row);
  }

  /// v_l stands at start + l * step.
  HOP_INLINE void meet(Lanes<T> v, std::int64_t start, std::int64_t step) {
#pragma GCC unroll 16
    for (int i = 0; i < Lanes<T>::kRegisters; ++i) {
      const auto better = (v.r[i] > value.r[i]) | ((v.r[i] != v.r[i]) & (value.r[i] == value.r[i]));
      const Places<T> at = (lane_numbers<T>() + i * Lanes<T>::kPerRegister) * static_cast<Place<T>>(step);
      value.r[i] = better ? v.r[i] : value.r[i];
      place[i] = better ? at + static_cast<Place<T>>(start) : place[i];
    }
  }

  HOP_INLINE void store_places(std::int64_t* indices, int n) const {
    Place<T> narrow[kLaneCount];
    __builtin_memcpy(narrow, place, sizeof narrow);
    std::int64_t wide[kLaneCount];
    for (int l = 0; l < kLaneCount; ++l) wide[l] = narrow[l];
    Lanes<double> bits;  // only to be stored under a mask
    __builtin_memcpy(bits.r, wide, sizeof wide);
    store_up_to(reinterpret_cast<double*>(indices), n, bits);
  }
};

}  // namespace hop::kernels::HOP_ISA
