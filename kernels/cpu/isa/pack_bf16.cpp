// Rounding and packing in one pass that runs as fast as memory: at the sizes of small models the conversion of the
// weights costs as much as a third of their product otherwise.

// Vectors of 64 bytes pass between inline functions alone: no other compiler sees how.
#pragma GCC diagnostic ignored "-Wpsabi"

#include "kernels/cpu/isa/shuffle.h"
#include "kernels/cpu/pack_bf16_internal.h"

namespace hop::kernels::HOP_ISA {
namespace {

constexpr std::int64_t kRows = kBf16Rows, kColumns = kBf16Columns, kPairs = kRows / 2;

// Two bf16 in one word, the first in the lower half.
using Pairs = std::uint32_t __attribute__((vector_size(64)));
using Longs = std::uint64_t __attribute__((vector_size(64)));

// The bf16 of each float in the upper half of its word; the lower half is noise. Adds half of the last place, or a bit
// less, so that ties go to the even neighbour. A NaN would overflow: it becomes the quiet NaN of its sign.
inline Pairs rounded(Pairs bits) {
  const Pairs up = bits + 0x7FFFU + (bits >> 16 & 1U);
  const auto is_nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
  return is_nan ? (bits | 0x00400000U) : up;
}

inline Pairs load(const float* p, std::int64_t count) {
  Pairs bits{};
  if (count == 16)
    __builtin_memcpy(&bits, p, sizeof bits);  // a constant size: one instruction
  else
    __builtin_memcpy(&bits, p, static_cast<std::size_t>(count) * sizeof(float));
  return bits;
}

// 32 neighbouring floats as 16 pairs.
inline Pairs pairs_of(Pairs low, Pairs high) {
  const auto first = [](Pairs bits) { return reinterpret_cast<Longs>(bits); };
  const Longs a = first(rounded(low)), b = first(rounded(high));
  const auto pair = [](Longs x) { return (x >> 16 & 0xFFFFU) | (x >> 32 & 0xFFFF0000U); };
  const auto even = reinterpret_cast<Pairs>(pair(a)), odd = reinterpret_cast<Pairs>(pair(b));
  return shuffled(even, odd, [](int lane) { return 2 * lane; });
}

// One stage of a transposition of 16 x 16: swaps the squares of `step` beside the diagonal.
template <int step>
inline void swap_squares(Pairs (&rows)[16]) {
  constexpr auto kUpper = [](int j) { return (j & step) != 0 ? 16 + j - step : j; };
  constexpr auto kLower = [](int j) { return (j & step) != 0 ? 16 + j : j + step; };
  for (int i = 0; i < 16; ++i) {
    if ((i & step) != 0) continue;
    const Pairs a = rows[i], b = rows[i + step];
    rows[i] = shuffled(a, b, kUpper);
    rows[i + step] = shuffled(a, b, kLower);
  }
}

// 32 rows x `columns` columns of a matrix that lies row by row; `rows` of them exist.
void pack_rows(const float* b, std::int64_t stride, std::int64_t rows, std::int64_t columns, std::uint32_t* block) {
  for (std::int64_t pair = 0; pair < kPairs; ++pair) {
    for (std::int64_t c = 0; c < kColumns; c += 16) {
      const std::int64_t count = columns - c < 0 ? 0 : columns - c < 16 ? columns - c : 16;
      const auto row = [&](std::int64_t r) {
        return r < rows && count > 0 ? rounded(load(b + r * stride + c, count)) : Pairs{};
      };
      const Pairs both = row(2 * pair) >> 16 | (row(2 * pair + 1) & 0xFFFF0000U);
      __builtin_memcpy(block + pair * kColumns + c, &both, sizeof both);
    }
  }
}

// 16 pairs of rows of 16 columns, from a square with one column in each register.
inline void store_transposed(Pairs (&square)[16], std::uint32_t* block) {
  swap_squares<8>(square);
  swap_squares<4>(square);
  swap_squares<2>(square);
  swap_squares<1>(square);
  for (std::int64_t pair = 0; pair < kPairs; ++pair) {
    __builtin_memcpy(block + pair * kColumns, &square[pair], sizeof square[pair]);
  }
}

// 32 rows x 64 columns of a matrix that lies column by column. Prefetches, because the processor cannot predict 64
// streams.
void pack_columns(const float* b, std::int64_t stride, std::uint32_t* block) {
  for (std::int64_t c = 0; c < kColumns; c += 16) {
    Pairs square[16];
    for (std::int64_t i = 0; i < 16; ++i) {
      const float* column = b + (c + i) * stride;
      __builtin_prefetch(column + kRows);
      __builtin_prefetch(column + kRows + 16);
      square[i] = pairs_of(load(column, 16), load(column + 16, 16));
    }
    store_transposed(square, block + c);
  }
}

// pack_columns() at the edges, where only `rows` rows and `columns` columns exist.
void pack_some_columns(const float* b, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                       std::uint32_t* block) {
  const std::int64_t first = rows < 16 ? rows : 16, second = rows - first;
  for (std::int64_t c = 0; c < kColumns; c += 16) {
    Pairs square[16] = {};
    for (std::int64_t i = 0; i < 16 && c + i < columns; ++i) {
      const float* column = b + (c + i) * stride;
      square[i] = pairs_of(load(column, first), second > 0 ? load(column + 16, second) : Pairs{});
    }
    store_transposed(square, block + c);
  }
}

}  // namespace

void pack_bf16(const Bf16Packing& p, std::int64_t begin, std::int64_t end) {
  const std::int64_t row_blocks = (p.k + kRows - 1) / kRows;
  auto* block = reinterpret_cast<std::uint32_t*>(p.packed) + begin * row_blocks * kPairs * kColumns;
  for (std::int64_t column = begin * kColumns; column < end * kColumns && column < p.n; column += kColumns) {
    const std::int64_t columns = p.n - column < kColumns ? p.n - column : kColumns;
    for (std::int64_t row = 0; row < p.k; row += kRows, block += kPairs * kColumns) {
      const std::int64_t rows = p.k - row < kRows ? p.k - row : kRows;
      if (p.transposed && rows == kRows && columns == kColumns)
        pack_columns(p.b + column * p.k + row, p.k, block);
      else if (p.transposed)
        pack_some_columns(p.b + column * p.k + row, p.k, rows, columns, block);
      else
        pack_rows(p.b + row * p.n + column, p.n, rows, columns, block);
    }
  }
}

}  // namespace hop::kernels::HOP_ISA
