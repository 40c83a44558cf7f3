// A factor of a product, rounded to bf16 and laid out as oneDNN's bf16 products read it.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels::cpu {

/// Elements of a packed (k, n) matrix: whole blocks of 32 x 64, the edges filled with zeros.
constexpr std::int64_t packed_bf16_size(std::int64_t k, std::int64_t n) {
  return (k + 31) / 32 * 32 * ((n + 63) / 64 * 64);
}

}  // namespace hop::kernels::cpu

namespace hop::kernels {

/// b: k x n floats row by row, or (transposed) column by column. packed: packed_bf16_size(k, n) elements, on a 64-byte
/// boundary; blocks of 64 columns, in them blocks of 32 rows, in them pairs of rows: the two factors that one
/// instruction multiplies and adds up lie together (oneDNN's BA16a64b2a). Ties round to even, NaN stays NaN.
HOP_EACH_ISA(void pack_bf16(const float* b, std::int64_t k, std::int64_t n, bool transposed, std::uint16_t* packed);)

}  // namespace hop::kernels
