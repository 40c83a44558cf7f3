// A factor of a product, rounded to bf16 and laid out as oneDNN's bf16 products read it.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

inline constexpr std::int64_t kBf16Rows = 32, kBf16Columns = 64;  ///< of a block

/// b: k x n floats row by row, or (transposed) column by column. packed: size() elements on a 64-byte boundary; blocks
/// of 64 columns, divided into blocks of 32 rows, divided into pairs of rows. So the two factors that one instruction
/// multiplies and adds lie together (oneDNN's BA16a64b2a). The edges are filled with zeros.
struct Bf16Packing {
  const float* b;
  std::int64_t k, n;
  bool transposed;
  std::uint16_t* packed;

  static constexpr std::int64_t size(std::int64_t k, std::int64_t n) {
    return (k + kBf16Rows - 1) / kBf16Rows * kBf16Rows * column_blocks(n) * kBf16Columns;
  }
  static constexpr std::int64_t column_blocks(std::int64_t n) { return (n + kBf16Columns - 1) / kBf16Columns; }
};

/// Blocks of columns begin .. end - 1. Ties round to even, NaN stays NaN.
HOP_EACH_ISA(void pack_bf16(const Bf16Packing& packing, std::int64_t begin, std::int64_t end);)

}  // namespace hop::kernels
