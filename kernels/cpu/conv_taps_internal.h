// The pixels under a convolution's kernel, laid out as a matrix: one row for each tap (channel, row and column of the
// kernel), one column for each output pixel. With this matrix, a convolution and its gradients are matrix products.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

/// A part of the matrix: all taps of `channels` planes, output pixels begin .. end - 1. Plain data.
struct Taps {
  std::int64_t channels, h, w;  ///< planes of the input
  std::int64_t r, s, q;         ///< the kernel; width of the output
  std::array<std::int64_t, 2> stride, padding, dilation;
  std::int64_t begin, end;
  std::int64_t row;  ///< elements from one row of the matrix to the next, at least end - begin
};

HOP_EACH_ISA(
    /// matrix = the pixels of `planes`, with zeros in the padding and from the last pixel to the end of the row.
    void gather_taps(const Taps& taps, const double* planes, double* matrix);
    /// Adds the matrix to the pixels of `planes`, tap by tap.
    void scatter_taps(const Taps& taps, const double* matrix, double* planes);)

}  // namespace hop::kernels
