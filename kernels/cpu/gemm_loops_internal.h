// Our matrix product. Plain data, shared by the two builds of kernels/cpu/isa/ and their callers.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

inline constexpr std::int64_t kGemmRows = 8;        ///< rows per thread's turn, at least
inline constexpr std::int64_t kPackedColumns = 16;  ///< packed columns come in multiples of this

/// c (m, n) = a (m, k) b (k, n) + bias. Strides in elements; one of a's is 1, b's columns lie side by side. c may be
/// written turned (c_column != 1, c_row == 1).
template <class T>
struct Gemm {
  std::int64_t m, n, k;
  const T* a;
  std::int64_t a_row, a_column;
  const T* b;
  std::int64_t b_row;
  const T* rest;  ///< the last n % 16 columns of b again, zeros behind them up to sixteen; rows rest_row apart
  std::int64_t rest_row;
  const T* bias;      ///< or null
  bool bias_of_rows;  ///< bias (m), one value per row; else bias (n)
  T* c;
  std::int64_t c_row, c_column;
  bool adds;  ///< to what c holds, in place of the bias; c is not turned
};

// Each c_ij starts from its bias (0), or from itself, and adds a_i0 b_0j, a_i1 b_1j, .. in this order, each rounded
// once with its addition (fma): the bits know neither layout nor tile nor instruction set nor threads.
HOP_EACH_ISA(
    /// Rows begin * kGemmRows .. end * kGemmRows - 1 (at most m), all columns.
    template <class T> void gemm_rows(const Gemm<T>& gemm, std::int64_t begin, std::int64_t end);
    /// y (k, n rounded up to 16) = x (n, k) turned: x's rows lie `x_row` apart. Zeros behind column n.
    template <class T> void pack_turned(const T* x, std::int64_t x_row, std::int64_t k, std::int64_t n, T* y);
    /// y (k, 16) = x (k, n), n < 16: rows `x_row` apart. Zeros behind column n.
    template <class T> void pack_rest(const T* x, std::int64_t x_row, std::int64_t k, std::int64_t n, T* y);)

}  // namespace hop::kernels
