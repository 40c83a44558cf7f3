#include "kernels/cpu/transpose_internal.h"

#include <algorithm>
#include <cstring>

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kSquare = 16;  // 16 floats: one cache line

// Transposes one square through a buffer: each line of x is read at once, each line of y is written at once. So the
// cache need not hold many lines, which it could not if their distance is a power of two.
template <class T>
void square(const std::byte* x, std::int64_t x_stride, std::byte* y, std::int64_t y_stride, std::int64_t rows,
            std::int64_t columns) {
  T buffer[kSquare][kSquare];
  for (std::int64_t c = 0; c < columns; ++c) {
    std::memcpy(buffer[c], x + c * x_stride, static_cast<std::size_t>(rows) * sizeof(T));
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    T line[kSquare];
    for (std::int64_t c = 0; c < columns; ++c) line[c] = buffer[c][r];
    std::memcpy(y + r * y_stride, line, static_cast<std::size_t>(columns) * sizeof(T));
  }
}

template <class T>
void transpose_as(const std::byte* x, std::int64_t x_stride, std::byte* y, std::int64_t y_stride, std::int64_t rows,
                  std::int64_t columns) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t r = 0; r < rows; r += kSquare) {
    for (std::int64_t c = 0; c < columns; c += kSquare) {
      square<T>(x + c * x_stride + r * kSize, x_stride, y + r * y_stride + c * kSize, y_stride,
                std::min(kSquare, rows - r), std::min(kSquare, columns - c));
    }
  }
}

}  // namespace

void transpose(const std::byte* x, std::int64_t x_stride, std::byte* y, std::int64_t y_stride, std::int64_t rows,
               std::int64_t columns, std::size_t size) {
  if (size == 1)
    transpose_as<std::uint8_t>(x, x_stride, y, y_stride, rows, columns);
  else if (size == 2)
    transpose_as<std::uint16_t>(x, x_stride, y, y_stride, rows, columns);
  else if (size == 4)
    transpose_as<std::uint32_t>(x, x_stride, y, y_stride, rows, columns);
  else
    transpose_as<std::uint64_t>(x, x_stride, y, y_stride, rows, columns);
}

}  // namespace hop::kernels::cpu
