// c = a b + bias in tiles of rows and columns that stay in registers while k runs: per step of k, a tile of AVX-512
// loads three registers of b's row, takes eight values of a and makes 24 fused multiply-adds, so the multipliers are
// the limit, not the loads. a and b are copied only if necessary: b's rows are read in place, from the second-level
// cache if they fit there, while the rows of a pass by. (A library first copies both into its own order. For a batch of
// 32 and freshly updated weights, the copies take a third of the time.)
#include "kernels/cpu/gemm_loops_internal.h"

#include "kernels/cpu/isa/lanes.h"
#include "kernels/cpu/isa/told_rows.h"

namespace hop::kernels::HOP_ISA {
namespace {

/// The tile's accumulators fill most of the registers: 32 of 64 bytes, or 16 of 32.
constexpr int kAccumulators = rows::kPackBytes == 64 ? 24 : 12;
template <class T>
constexpr int kTileRows = rows::kPackBytes == 64 ? 8 : 8 / static_cast<int>(Lanes<T>::kRegisters);
template <class T>
constexpr int kTileColumns = kAccumulators / (kTileRows<T> * Lanes<T>::kRegisters) > 1  // in sixteens
                                 ? kAccumulators / (kTileRows<T> * Lanes<T>::kRegisters)
                                 : 1;

/// The place of a tile: R rows from `row`, V sixteens of columns from `column`, `last` columns in the last sixteen. b's
/// values for the tile begin at `b`.
template <class T>
struct Place {
  std::int64_t row, column;
  const T* b;
  std::int64_t b_row;
  int last;
};

template <class T, int R, int V>
struct Tile {
  Lanes<T> sum[R][V];

  HOP_INLINE void start(const Gemm<T>& g, const Place<T>& at) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[r][v] = first_value(g, at, r, v);
    }
  }

  HOP_INLINE static Lanes<T> first_value(const Gemm<T>& g, const Place<T>& at, int r, int v) {
    const int n = v + 1 == V ? at.last : kLaneCount;
    if (g.adds) return load_row(g.c + (at.row + r) * g.c_row + at.column + v * kLaneCount, n);
    if (g.bias == nullptr) return Lanes<T>(T{0});
    if (!g.bias_of_rows) return load_row(g.bias + at.column + v * kLaneCount, n);
    tell_read(g.bias + at.row + r, 1);
    return Lanes<T>(g.bias[at.row + r]);
  }

  HOP_INLINE static Lanes<T> load_row(const T* p, int n) {
    tell_read(p, n);
    return load_up_to(p, n);
  }

  /// One step of k: x(r) is a's value in row r.
  template <class X>
  HOP_INLINE void add(const T* b, const X& x) {
    tell_read(b, V * kLaneCount);
    Lanes<T> values[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) values[v] = load(b + v * kLaneCount);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Lanes<T> factor(x(r));
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[r][v] = fma(factor, values[v], sum[r][v]);
    }
  }

  HOP_INLINE void run(const Gemm<T>& g, const Place<T>& at) {
    const T* a = g.a + at.row * g.a_row;
    const T* b = at.b;
    if (g.a_row == 1) {  // a's column: R neighbours
      for (std::int64_t i = 0; i < g.k; ++i, a += g.a_column, b += at.b_row) {
        tell_read(a, R);
        add(
            b, [a](int r) __attribute__((always_inline)) { return a[r]; });
      }
      return;
    }
    const T* streams[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      streams[r] = a + r * g.a_row;
      tell_read(streams[r], g.k);
    }
    for (std::int64_t i = 0; i < g.k; ++i, b += at.b_row)
      add(
          b, [&](int r) __attribute__((always_inline)) { return streams[r][i]; });
  }

  HOP_INLINE void finish(const Gemm<T>& g, const Place<T>& at) const {
    T* c = g.c + at.row * g.c_row + at.column * g.c_column;
    if (g.c_column != 1) return finish_turned(c, g.c_column, (V - 1) * kLaneCount + at.last);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      tell_write(c + r * g.c_row, (V - 1) * kLaneCount + at.last);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v)
        store_up_to(c + r * g.c_row + v * kLaneCount, v + 1 == V ? at.last : kLaneCount, sum[r][v]);
    }
  }

  /// c's rows lie side by side: each column of the tile is a run of R values.
  HOP_INLINE void finish_turned(T* c, std::int64_t c_column, int columns) const {
    alignas(64) T values[R][V * kLaneCount];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) store(&values[r][v * kLaneCount], sum[r][v]);
    }
    for (int j = 0; j < columns; ++j) {
      tell_write(c + j * c_column, R);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) c[j * c_column + r] = values[r][j];
    }
  }
};

template <class T, int R, int V>
[[gnu::noinline]] HOP_TELLS_ROWS void compute(const Gemm<T>& g, const Place<T>& at) {
  Tile<T, R, V> tile;
  tile.start(g, at);
  tile.run(g, at);
  tile.finish(g, at);
}

/// Tiles of V sixteens over rows begin..end-1.
template <class T, int V>
HOP_INLINE void compute_rows(const Gemm<T>& g, Place<T> at, std::int64_t begin, std::int64_t end) {
  at.row = begin;
  for (; at.row + kTileRows<T> <= end; at.row += kTileRows<T>) compute<T, kTileRows<T>, V>(g, at);
  for (; at.row + 2 <= end; at.row += 2) compute<T, 2, V>(g, at);
  if (at.row < end) compute<T, 1, V>(g, at);
}

/// All columns of rows begin..end-1.
template <class T>
HOP_INLINE void compute_columns(const Gemm<T>& g, std::int64_t begin, std::int64_t end) {
  Place<T> at{0, 0, g.b, g.b_row, kLaneCount};
  const auto go = [&](int sixteens) {
    at.column += sixteens * kLaneCount;
    at.b = g.b + at.column;
  };
  for (std::int64_t left = g.n / kLaneCount; left > 0;) {
    if (kTileColumns<T> == 3 && left >= 3 && left != 4) {
      compute_rows<T, kTileColumns<T>>(g, at, begin, end);
      go(3), left -= 3;
    } else if (kTileColumns<T> == 3 && left >= 2) {
      compute_rows<T, kTileColumns<T> == 3 ? 2 : 1>(g, at, begin, end);
      go(2), left -= 2;
    } else {
      compute_rows<T, 1>(g, at, begin, end);
      go(1), left -= 1;
    }
  }
  if (at.column == g.n) return;
  at.b = g.rest;
  at.b_row = g.rest_row;
  at.last = static_cast<int>(g.n - at.column);
  compute_rows<T, 1>(g, at, begin, end);
}

/// Transposes a square of registers: in each stage row i is interleaved with row i + half.
template <class T>
HOP_INLINE void turn(typename Lanes<T>::Register (&rows)[Lanes<T>::kPerRegister]) {
  constexpr int kWidth = Lanes<T>::kPerRegister;
  constexpr auto kLow = [](int lane) { return lane / 2 + lane % 2 * kWidth; };
  constexpr auto kHigh = [](int lane) { return (lane + kWidth) / 2 + lane % 2 * kWidth; };
#pragma GCC unroll 4
  for (int stage = 1; stage < kWidth; stage *= 2) {
    typename Lanes<T>::Register next[kWidth];
#pragma GCC unroll 8
    for (int i = 0; i < kWidth / 2; ++i) {
      next[2 * i] = shuffled(rows[i], rows[i + kWidth / 2], kLow);
      next[2 * i + 1] = shuffled(rows[i], rows[i + kWidth / 2], kHigh);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) rows[i] = next[i];
  }
}

/// The steps k .. k + depth - 1 of the product, rows from `row` on. Sums continue from those of the steps before.
template <class T>
HOP_INLINE Gemm<T> part_of(const Gemm<T>& g, std::int64_t row, std::int64_t k, std::int64_t depth) {
  Gemm<T> part = g;
  part.k = depth;
  part.a += row * g.a_row + k * g.a_column;
  part.b += k * g.b_row;
  if (g.rest != nullptr) part.rest += k * g.rest_row;
  part.c += row * g.c_row;
  part.adds = g.adds || k != 0;
  if (g.bias != nullptr && g.bias_of_rows) part.bias += row;
  return part;
}

constexpr std::int64_t kDepth = 256;          // steps of k at a time, if k is cut
constexpr std::int64_t kKeptBytes = 1 << 18;  // so much of b stays in the second-level cache without a cut

/// Steps of k at a time. A transposed c has no sums to continue from.
template <class T>
HOP_INLINE std::int64_t depth_of(const Gemm<T>& g) {
  const bool is_kept = g.a_row != 1 && g.k * g.n * static_cast<std::int64_t>(sizeof(T)) <= kKeptBytes;
  return g.c_column != 1 || is_kept || g.k < kDepth ? g.k : kDepth;
}

/// If a lies column by column (a weight's gradient), the rows of a tile are a part of a cache line in each column, and
/// the lines of many columns displace each other. So a line's rows are copied first, once for all columns of b.
constexpr std::int64_t kCopiedRows = 2 * kGemmRows;
template <class T>
HOP_INLINE void compute_copied(Gemm<T> part, std::int64_t rows) {
  alignas(64) T values[kDepth * kCopiedRows];
  for (std::int64_t i = 0; i < part.k; ++i) {
    const T* const from = part.a + i * part.a_column;
    T* const to = values + i * kCopiedRows;
    if (rows == kCopiedRows) {
      __builtin_memcpy(to, from, kCopiedRows * sizeof(T));
    } else {
      for (std::int64_t r = 0; r < rows; ++r) to[r] = from[r];
    }
  }
  part.a = values;
  part.a_column = kCopiedRows;
  compute_columns(part, 0, rows);
}

}  // namespace

// A few rows of a are multiplied with all of b, then the next rows. A b that is too large for the second-level cache is
// cut along k, and so is a long a that lies column by column.
template <class T>
void gemm_rows(const Gemm<T>& g, std::int64_t begin, std::int64_t end) {
  const std::int64_t last = end * kGemmRows < g.m ? end * kGemmRows : g.m, most = depth_of(g);
  const bool copies = g.a_row == 1 && g.a_column != 1 && g.c_column == 1 && most <= kDepth && g.n > 2 * kLaneCount;
  const std::int64_t step = copies ? kCopiedRows : kGemmRows;
  for (std::int64_t k = 0; k == 0 || k < g.k; k += most) {
    const std::int64_t depth = g.k - k < most ? g.k - k : most;
    for (std::int64_t row = begin * kGemmRows; row < last; row += step) {
      const std::int64_t rows = last - row < step ? last - row : step;
      const Gemm<T> part = part_of(g, row, k, depth);
      if (copies)
        compute_copied(part, rows);
      else
        compute_columns(part, 0, rows);
    }
    if (depth == 0) return;
  }
}

template <class T>
void pack_turned(const T* x, std::int64_t x_row, std::int64_t k, std::int64_t n, T* y) {
  constexpr int kWidth = Lanes<T>::kPerRegister;
  const std::int64_t columns = (n + kLaneCount - 1) / kLaneCount * kLaneCount;
  for (std::int64_t j = 0; j < columns; j += kWidth) {
    std::int64_t i = 0;
    for (; i + kWidth <= k && j + kWidth <= n; i += kWidth) {
      typename Lanes<T>::Register square[kWidth];
#pragma GCC unroll 16
      for (int r = 0; r < kWidth; ++r) __builtin_memcpy(&square[r], x + (j + r) * x_row + i, sizeof square[r]);
      turn<T>(square);
#pragma GCC unroll 16
      for (int r = 0; r < kWidth; ++r) __builtin_memcpy(y + (i + r) * columns + j, &square[r], sizeof square[r]);
    }
    for (; i < k; ++i) {
      for (int r = 0; r < kWidth; ++r) y[i * columns + j + r] = j + r < n ? x[(j + r) * x_row + i] : T{0};
    }
  }
}

template <class T>
void pack_rest(const T* x, std::int64_t x_row, std::int64_t k, std::int64_t n, T* y) {
  for (std::int64_t i = 0; i < k; ++i, x += x_row, y += kLaneCount) {
    for (int j = 0; j < kLaneCount; ++j) y[j] = j < n ? x[j] : T{0};
  }
}

#define HOP_GEMM(T)                                                                  \
  template void gemm_rows(const Gemm<T>&, std::int64_t, std::int64_t);               \
  template void pack_turned(const T*, std::int64_t, std::int64_t, std::int64_t, T*); \
  template void pack_rest(const T*, std::int64_t, std::int64_t, std::int64_t, T*);
HOP_GEMM(float)
HOP_GEMM(double)

}  // namespace hop::kernels::HOP_ISA
