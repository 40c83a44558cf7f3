// Our matrix product. Plain data, shared by the two builds of kernels/cpu/isa/ and their callers.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

inline constexpr std::int64_t kGemmRows = 8;        ///< least number of rows per thread's turn
inline constexpr std::int64_t kPackedColumns = 16;  ///< packed columns come in multiples of this

/// c (m, n) = a (m, k) b (k, n) + bias. Strides in elements. One of a's strides is 1; b's columns lie side by side. c
/// may be written transposed (c_column != 1, c_row == 1).
template <class T>
struct Gemm {
  std::int64_t m, n, k;
  const T* a;
  std::int64_t a_row, a_column;
  const T* b;
  std::int64_t b_row;
  const T* rest;  ///< a copy of the last n % 16 columns of b, padded with zeros to sixteen; rows rest_row apart
  std::int64_t rest_row;
  const T* bias;      ///< or null
  bool bias_of_rows;  ///< bias (m), one value per row; else bias (n)
  T* c;
  std::int64_t c_row, c_column;
  bool adds;  ///< adds to the values of c instead of the bias; c is then not transposed
};

// Each c_ij starts from its bias (or 0, or its own value) and adds a_i0 b_0j, a_i1 b_1j, .. in this order, each rounded
// once with its addition (fma). So the bits do not depend on layout, tile, instruction set or threads.
HOP_EACH_ISA(
    /// Rows begin * kGemmRows .. end * kGemmRows - 1 (at most m), all columns.
    template <class T> void gemm_rows(const Gemm<T>& gemm, std::int64_t begin, std::int64_t end);
    /// y (k, n rounded up to 16) = x (n, k) transposed: x's rows lie `x_row` apart. Zeros behind column n.
    template <class T> void pack_turned(const T* x, std::int64_t x_row, std::int64_t k, std::int64_t n, T* y);
    /// y (k, 16) = x (k, n), n < 16: rows `x_row` apart. Zeros behind column n.
    template <class T> void pack_rest(const T* x, std::int64_t x_row, std::int64_t k, std::int64_t n, T* y);)

}  // namespace hop::kernels
