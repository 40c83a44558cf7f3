// c = a b + bias in blocks of four rows and sixteen columns that stay in registers while k runs.
#include "kernels/cpu/matmul_loops_internal.h"

#include "kernels/cpu/isa/lanes.h"

namespace hop::kernels::HOP_ISA {
namespace {

/// kRows rows from `a` on, n <= 16 columns from `column` on; b (k, 16) has rows `b_row` apart.
template <int kRows, class T>
void block(const SmallMatmul<T>& p, std::int64_t row, std::int64_t column, int n, const T* b, std::int64_t b_row) {
  Lanes<T> sum[kRows];
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) sum[i] = p.bias == nullptr ? Lanes<T>(T{0}) : load_up_to(p.bias + column, n);
  const T* a = p.a + row * p.a_row;
  for (std::int64_t k = 0; k < p.k; ++k) {
    const Lanes<T> values = load(b + k * b_row);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) sum[i] = fma(Lanes<T>(a[i * p.a_row]), values, sum[i]);
    a += p.a_column;
  }
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) store(p.c + (row + i) * p.n + column, n, sum[i]);
}

/// Copies n <= 16 columns of b side by side, zeros behind them.
template <class T>
void pack_columns(const SmallMatmul<T>& p, std::int64_t column, int n) {
  const T* from = p.b + column * p.b_column;
  for (std::int64_t k = 0; k < p.k; ++k) {
    T* to = p.panel + k * kLaneCount;
    for (int j = 0; j < kLaneCount; ++j) to[j] = j < n ? from[k * p.b_row + j * p.b_column] : T{0};
  }
}

}  // namespace

template <class T>
void small_matmul(const SmallMatmul<T>& p) {
  for (std::int64_t column = 0; column < p.n; column += kLaneCount) {
    const int n = p.n - column < kLaneCount ? static_cast<int>(p.n - column) : kLaneCount;
    const bool in_place = n == kLaneCount && p.b_column == 1;
    if (!in_place) pack_columns(p, column, n);
    const T* b = in_place ? p.b + column : p.panel;
    const std::int64_t b_row = in_place ? p.b_row : kLaneCount;
    std::int64_t row = 0;
    for (; row + 4 <= p.m; row += 4) block<4>(p, row, column, n, b, b_row);
    for (; row < p.m; ++row) block<1>(p, row, column, n, b, b_row);
  }
}

template void small_matmul(const SmallMatmul<float>&);
template void small_matmul(const SmallMatmul<double>&);

}  // namespace hop::kernels::HOP_ISA
