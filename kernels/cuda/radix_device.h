// One pass of a least-significant-digit radix sort (Knuth, TAOCP 5.2.5) of lines of (key, position) pairs. A pass
// orders by a digit of 8 bits and keeps the order of equal digits: tiles count their digits, one block per line turns
// the counts into the starts of each tile's run of each digit, and the tiles move their pairs there in order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/grid.h"
#include "kernels/cuda/language.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda::radix {
namespace {

constexpr int kDigits = 256;  // one per thread of a block
constexpr int kRounds = 8;    // keys per thread
constexpr int kTile = kThreads * kRounds;
constexpr int kWarps = kThreads / 32;
static_assert(kDigits == kThreads);

int tiles_of(int n) { return (n + kTile - 1) / kTile; }

/// Line l has the pairs l n, l n + 1, .. Grids: x = tiles of a line, y = lines (blocks take several if there are many).
struct Lines {
  int n;  // pairs of a line
  std::int64_t count;

  dim3 grid(int blocks) const {
    return {static_cast<unsigned>(blocks), static_cast<unsigned>(std::min({count, max_blocks, std::int64_t{65535}}))};
  }
};

template <class Key, class Position>
struct Pairs {
  Key* keys;
  Position* positions;
};

template <class Key>
__device__ inline int digit_of(Key key, int shift) {
  return static_cast<int>((key >> shift) & (kDigits - 1));
}

/// counts[line][tile][digit] = how often the digit occurs in the tile. Integer atomics give the same counts in any
/// order.
template <class Key>
__global__ void __launch_bounds__(kThreads) count_digits(Lines lines, const Key* keys, int shift, int* counts) {
  __shared__ int count[kDigits];
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t line = blockIdx.y; line < lines.count; line += gridDim.y) {
    count[thread] = 0;
    __syncthreads();
    for (int round = 0; round < kRounds; ++round) {
      const int i = static_cast<int>(blockIdx.x) * kTile + round * kThreads + thread;
      if (i < lines.n) atomicAdd(&count[digit_of(keys[line * lines.n + i], shift)], 1);
    }
    __syncthreads();
    counts[(line * gridDim.x + blockIdx.x) * kDigits + thread] = count[thread];
  }
}

/// Turns counts into starts: all smaller digits of all tiles come first, then the same digit of earlier tiles. One
/// block per line, one digit per thread.
__global__ void __launch_bounds__(kThreads) counts_to_starts(Lines lines, int* counts, int tiles) {
  __shared__ int total[kDigits];
  const int digit = static_cast<int>(threadIdx.x);
  for (std::int64_t line = blockIdx.y; line < lines.count; line += gridDim.y) {
    int* const of_line = counts + line * tiles * kDigits;
    int sum = 0;
    for (int tile = 0; tile < tiles; ++tile) sum += of_line[tile * kDigits + digit];
    total[digit] = sum;
    __syncthreads();
    int start = 0;
    for (int smaller = 0; smaller < digit; ++smaller) start += total[smaller];
    for (int tile = 0; tile < tiles; ++tile) {
      const int count = of_line[tile * kDigits + digit];
      of_line[tile * kDigits + digit] = start;
      start += count;
    }
    __syncthreads();  // all have read the totals
  }
}

/// Moves each pair to its digit's run. 256 pairs per round, in order: within a warp the lanes that hold the same digit
/// find each other (__match_any_sync) and stand in lane order; the warps add up their counts in shared memory.
template <class Key, class Position>
__global__ void __launch_bounds__(kThreads)
    move_pairs(Lines lines, Pairs<Key, Position> from, Pairs<Key, Position> to, int shift, const int* starts) {
  __shared__ int start[kDigits];
  __shared__ int count[kWarps][kDigits];
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  for (std::int64_t line = blockIdx.y; line < lines.count; line += gridDim.y) {
    const std::int64_t first = line * lines.n;
    start[thread] = starts[(line * gridDim.x + blockIdx.x) * kDigits + thread];
    for (int round = 0; round < kRounds; ++round) {
      for (int w = 0; w < kWarps; ++w) count[w][thread] = 0;
      __syncthreads();
      const int i = static_cast<int>(blockIdx.x) * kTile + round * kThreads + thread;
      const bool present = i < lines.n;
      const Key key = present ? from.keys[first + i] : Key{0};
      const int digit = present ? digit_of(key, shift) : kDigits;
      const unsigned alike = __match_any_sync(kAllLanes, digit);
      const int before = __popc(alike & ((1U << lane) - 1));
      if (present && before == 0) count[warp][digit] = __popc(alike);
      __syncthreads();
      if (present) {
        int place = start[digit] + before;
        for (int w = 0; w < warp; ++w) place += count[w][digit];
        to.keys[first + place] = key;
        to.positions[first + place] = from.positions[first + i];
      }
      __syncthreads();
      for (int w = 0; w < kWarps; ++w) start[thread] += count[w][thread];
    }
  }
}

/// Orders by the digit at bit `shift`, on the current stream. counts: scratch of kDigits for each tile of each line.
/// Floor: 2 reads of the keys, one of the positions, one write of both.
template <class Key, class Position>
void pass(Lines lines, Pairs<Key, Position> from, Pairs<Key, Position> to, int shift, int* counts) {
  const int tiles = tiles_of(lines.n);
  const cudaStream_t stream = current_stream();
  launch(count_digits<Key>, lines.grid(tiles), kThreads, 0, stream, lines, from.keys, shift, counts);
  launch(counts_to_starts, lines.grid(1), kThreads, 0, stream, lines, counts, tiles);
  launch(move_pairs<Key, Position>, lines.grid(tiles), kThreads, 0, stream, lines, from, to, shift, counts);
}

}  // namespace
}  // namespace hop::kernels::cuda::radix
