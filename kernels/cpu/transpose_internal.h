// Copies from a source that runs along another dimension than the result: a transposed view made contiguous.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hop::kernels::cpu {

/// y[r][c] = x[c][r] for r < rows, c < columns: y's rows lie `y_stride` bytes apart, x's `x_stride`; elements of `size`
/// bytes (1, 4 or 8) lie side by side. Square by square, so that both sides stay in the cache.
void transpose(const std::byte* x, std::int64_t x_stride, std::byte* y, std::int64_t y_stride, std::int64_t rows,
               std::int64_t columns, std::size_t size);

}  // namespace hop::kernels::cpu
