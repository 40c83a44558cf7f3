// Our own matrix product, for doubles and for products too small to be worth a call of oneDNN. Plain data, shared by
// the two builds of kernels/cpu/isa/ and their callers.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

/// c (m, n) row-major = a (m, k) b (k, n) + bias (n). a and b have any strides, in elements.
template <class T>
struct SmallMatmul {
  std::int64_t m, n, k;
  const T* a;
  std::int64_t a_row, a_column;
  const T* b;
  std::int64_t b_row, b_column;
  const T* bias;  ///< or null
  T* c;
  T* panel;  ///< room for 16 k values: sixteen columns of b, side by side
};

// Each c_ij starts from its bias (0) and adds a_i0 b_0j, a_i1 b_1j, .. in this order, each rounded once with its
// addition: the bits know neither layout nor position nor instruction set. 2 m n k FLOPs, at about 16 columns per pass
// over a.
HOP_EACH_ISA(template <class T> void small_matmul(const SmallMatmul<T>& product);)

}  // namespace hop::kernels
