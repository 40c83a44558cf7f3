// The heart of our own products and convolutions: a block computes a tile of kRows x kColumns sums
//
//   sum[row][column] += rows(row, d) * columns(column, d)     d = 0 .. depth - 1, one chain of fused multiply-adds
//
// from strips of kDepth values a line in shared memory; a thread holds kOwnRows x kOwnColumns of the sums in registers
// (kernels/cuda/lessons/matmul_register_tiles.cu climbs up to here). New against that lesson:
//
// - two pairs of strips: while one pair is multiplied, the next is on its way from global memory, in registers. So one
// barrier per strip is enough and no thread waits for a load;
// - a thread's sums are neighbours in fours, so that it reads shared memory 16 bytes at a time: 8 x 8 sums and 8 steps
//   take 32 such reads and 512 multiply-adds.
//
// The caller supplies the values: a loader says which values of a strip are neighbours in memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/language.h"
#include "kernels/cuda/packet.h"

namespace hop::kernels::cuda {

template <int Rows, int Columns, int OwnRows, int OwnColumns>
struct Tile {
  static constexpr int kRows = Rows, kColumns = Columns;              // sums of a block
  static constexpr int kOwnRows = OwnRows, kOwnColumns = OwnColumns;  // sums of a thread: multiples of kSide
  static constexpr int kSide = 4;                                     // neighbouring sums
  static constexpr int kDepth = 8;                                    // depth of a strip
  static constexpr int kDown = kRows / kOwnRows, kAcross = kColumns / kOwnColumns;
  static constexpr int kThreads = kDown * kAcross;
  static constexpr int kRowValues = kRows * kDepth / kThreads;  // values that a thread loads per strip
  static constexpr int kColumnValues = kColumns * kDepth / kThreads;
  static_assert(kRowValues * kThreads == kRows * kDepth && kColumnValues * kThreads == kColumns * kDepth);

  /// The tile's row for the calling thread's own row `i`; below it, the same for columns.
  __device__ static int row_of(int i) {
    return i / kSide * kSide * kDown + static_cast<int>(threadIdx.x) / kAcross * kSide + i % kSide;
  }
  __device__ static int column_of(int j) {
    return j / kSide * kSide * kAcross + static_cast<int>(threadIdx.x) % kAcross * kSide + j % kSide;
  }
};

/// One value of a strip.
struct StripPlace {
  int line, depth;
};
/// The place of the `i`-th value that a thread loads of a strip of `Lines` lines. Neighbouring threads load
/// neighbouring steps of a line, or neighbouring lines if not along_depth.
template <class Tile, int Lines>
__device__ inline StripPlace strip_place(bool along_depth, int i) {
  const int e = static_cast<int>(threadIdx.x) + i * Tile::kThreads;
  return along_depth ? StripPlace{e / Tile::kDepth, e % Tile::kDepth} : StripPlace{e % Lines, e / Lines};
}

/// A strip in shared memory. It has four more values than lines, so that the stores of a warp go to 32 different banks
/// in both cases.
template <class T, class Tile>
struct Strips {
  alignas(Packet<T, Tile::kSide>) T rows[2][Tile::kDepth][Tile::kRows + Tile::kSide];
  alignas(Packet<T, Tile::kSide>) T columns[2][Tile::kDepth][Tile::kColumns + Tile::kSide];
};

/// x[0 .. N - 1] = the thread's own values of a step of a strip, in groups of four that are `stride` apart.
template <class T, int N>
__device__ inline void read_own(const T* step, int stride, T (&x)[N]) {
#pragma unroll
  for (int four = 0; four < N / 4; ++four) {
    const auto values = *reinterpret_cast<const Packet<T, 4>*>(step + four * stride);
#pragma unroll
    for (int i = 0; i < 4; ++i) x[four * 4 + i] = values.v[i];
  }
}

/// Adds the products of `depth` steps. A loader has `bool along_depth()` and `fetch(from, x)`. fetch() gives the
/// calling thread's values (strip_place) of the strip that begins at step `from`, with zeros outside of the loader's
/// lines and depth. Called by all threads of the block. When it returns, shared memory may be written again.
template <class T, class Tile, class Rows, class Columns>
__device__ inline void add_products(Strips<T, Tile>& strips, T (&sum)[Tile::kOwnRows][Tile::kOwnColumns], int depth,
                                    Rows rows, Columns columns) {
  T next_rows[Tile::kRowValues], next_columns[Tile::kColumnValues];
  rows.fetch(0, next_rows);
  columns.fetch(0, next_columns);
#pragma unroll 1  // unrolling would cost registers
  for (int from = 0, side = 0; from < depth; from += Tile::kDepth, side ^= 1) {
#pragma unroll
    for (int i = 0; i < Tile::kRowValues; ++i) {
      const StripPlace at = strip_place<Tile, Tile::kRows>(rows.along_depth(), i);
      strips.rows[side][at.depth][at.line] = next_rows[i];
    }
#pragma unroll
    for (int i = 0; i < Tile::kColumnValues; ++i) {
      const StripPlace at = strip_place<Tile, Tile::kColumns>(columns.along_depth(), i);
      strips.columns[side][at.depth][at.line] = next_columns[i];
    }
    __syncthreads();
    if (from + Tile::kDepth < depth) {
      rows.fetch(from + Tile::kDepth, next_rows);
      columns.fetch(from + Tile::kDepth, next_columns);
    }
#pragma unroll
    for (int d = 0; d < Tile::kDepth; ++d) {
      T u[Tile::kOwnRows], v[Tile::kOwnColumns];
      read_own(&strips.rows[side][d][Tile::row_of(0)], Tile::kSide * Tile::kDown, u);
      read_own(&strips.columns[side][d][Tile::column_of(0)], Tile::kSide * Tile::kAcross, v);
#pragma unroll
      for (int i = 0; i < Tile::kOwnRows; ++i) {
#pragma unroll
        for (int j = 0; j < Tile::kOwnColumns; ++j) sum[i][j] = fma(u[i], v[j], sum[i][j]);
      }
    }
  }
  __syncthreads();
}

}  // namespace hop::kernels::cuda
