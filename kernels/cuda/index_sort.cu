// A stable sort of (key, position) pairs, in one of two ways by their number.
//
// Few pairs, the tokens of a batch: the place of a pair is the number of keys before its own, so it is counted. That is
// n comparisons per pair, but one launch instead of seven, and launches are what a small step waits for.
//
// Many pairs: a radix sort. Each pass orders by one digit of 8 bits: tiles count their digits, one block turns the
// counts into the starts of each tile's run of each digit, and the tiles move their pairs there in order.
#include "kernels/cuda/index_sort.h"

#include <bit>
#include <string>
#include <utility>

#include "base/error.h"
#include "kernels/cuda/fault.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kDigits = 256;  // one per thread of a block
constexpr int kRounds = 8;    // keys per thread
constexpr int kTile = kThreads * kRounds;
constexpr int kWarps = kThreads / 32;
static_assert(kDigits == kThreads);

constexpr int kFew = 4096;    // pairs that are sorted by counting
constexpr int kCounters = 8;  // lanes that count for a pair, so that few pairs are work for many multiprocessors

struct Pairs {
  std::int32_t* keys;
  std::int32_t* positions;
};

/// The values of an index as keys. A value outside 0 .. size - 1 gets the key `size`.
struct Keys {
  const std::int64_t* index;
  int n;
  std::int64_t size;

  __device__ bool is_valid(int i) const { return index[i] >= 0 && index[i] < size; }
  __device__ std::int32_t at(int i) const { return static_cast<std::int32_t>(is_valid(i) ? index[i] : size); }
};

__device__ inline int digit_of(std::int32_t key, int shift) { return (key >> shift) & (kDigits - 1); }

// ---- Few pairs

/// kCounters neighbouring lanes per pair. n <= kFew.
__global__ void __launch_bounds__(kThreads) count_smaller(Keys from, Pairs to, Fault fault) {
  __shared__ std::int32_t keys[kFew];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kCounters;
#pragma unroll 4
  for (int i = thread; i < from.n; i += kThreads) keys[i] = from.at(i);
  __syncthreads();
  const int mine = (static_cast<int>(blockIdx.x) * kThreads + thread) / kCounters;
  const std::int32_t key = mine < from.n ? keys[mine] : 0;
  int place = 0;
#pragma unroll 8
  for (int i = lane; i < from.n; i += kCounters) place += keys[i] < key || (keys[i] == key && i < mine) ? 1 : 0;
  place = warp_reduce<Add, kCounters>(place);
  if (mine >= from.n || lane != 0) return;
  if (!from.is_valid(mine)) report(fault, static_cast<std::uint64_t>(mine));
  to.keys[place] = key;
  to.positions[place] = mine;
}

// ---- Many pairs

__global__ void __launch_bounds__(kThreads) make_keys(Keys from, Pairs pairs, Fault fault) {
  for (int i = static_cast<int>(blockIdx.x * kThreads + threadIdx.x); i < from.n;
       i += static_cast<int>(gridDim.x * kThreads)) {
    if (!from.is_valid(i)) report(fault, static_cast<std::uint64_t>(i));
    pairs.keys[i] = from.at(i);
    pairs.positions[i] = i;
  }
}

/// counts[tile][digit] = how often the digit occurs in the tile. Integer atomics give the same counts in any order.
__global__ void __launch_bounds__(kThreads) count_digits(const std::int32_t* keys, int n, int shift, int* counts) {
  __shared__ int count[kDigits];
  const int thread = static_cast<int>(threadIdx.x);
  count[thread] = 0;
  __syncthreads();
  for (int round = 0; round < kRounds; ++round) {
    const int i = static_cast<int>(blockIdx.x) * kTile + round * kThreads + thread;
    if (i < n) atomicAdd(&count[digit_of(keys[i], shift)], 1);
  }
  __syncthreads();
  counts[static_cast<int>(blockIdx.x) * kDigits + thread] = count[thread];
}

/// Turns counts into starts: all smaller digits of all tiles come first, then the same digit of earlier tiles. One
/// block, one digit per thread.
__global__ void __launch_bounds__(kThreads) counts_to_starts(int* counts, int tiles) {
  __shared__ int total[kDigits];
  const int digit = static_cast<int>(threadIdx.x);
  int sum = 0;
  for (int tile = 0; tile < tiles; ++tile) sum += counts[tile * kDigits + digit];
  total[digit] = sum;
  __syncthreads();
  int start = 0;
  for (int smaller = 0; smaller < digit; ++smaller) start += total[smaller];
  for (int tile = 0; tile < tiles; ++tile) {
    const int count = counts[tile * kDigits + digit];
    counts[tile * kDigits + digit] = start;
    start += count;
  }
}

/// Moves each pair to its digit's run. 256 pairs per round, in order: within a warp the lanes that hold the same digit
/// find each other (__match_any_sync) and stand in lane order; the warps add up their counts in shared memory.
__global__ void __launch_bounds__(kThreads) move_pairs(Pairs from, Pairs to, int n, int shift, const int* starts) {
  __shared__ int start[kDigits];
  __shared__ int count[kWarps][kDigits];
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  start[thread] = starts[static_cast<int>(blockIdx.x) * kDigits + thread];
  for (int round = 0; round < kRounds; ++round) {
    for (int w = 0; w < kWarps; ++w) count[w][thread] = 0;
    __syncthreads();
    const int i = static_cast<int>(blockIdx.x) * kTile + round * kThreads + thread;
    const bool present = i < n;
    const std::int32_t key = present ? from.keys[i] : 0;
    const int digit = present ? digit_of(key, shift) : kDigits;
    const unsigned alike = __match_any_sync(kAllLanes, digit);
    const int before = __popc(alike & ((1U << lane) - 1));
    if (present && before == 0) count[warp][digit] = __popc(alike);
    __syncthreads();
    if (present) {
      int place = start[digit] + before;
      for (int w = 0; w < warp; ++w) place += count[w][digit];
      to.keys[place] = key;
      to.positions[place] = from.positions[i];
    }
    __syncthreads();
    for (int w = 0; w < kWarps; ++w) start[thread] += count[w][thread];
  }
}

Pairs pairs_of(const SortedIndex& sorted) {
  return {sorted.keys.data<std::int32_t>(), sorted.positions.data<std::int32_t>()};
}

}  // namespace

SortedIndex sort_index(const Tensor& index, std::int64_t size, const char* op) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 30;  // the reach of int indices, including grid strides
  if (index.numel() >= kLimit || size >= kLimit) {
    throw ShapeError("[sort_index] expected fewer than 2^30 indices and slices on CUDA, got " +
                     std::to_string(index.numel()) + " and " + std::to_string(size));
  }
  const int n = static_cast<int>(index.numel()), tiles = (n + kTile - 1) / kTile;
  const auto ints = [&](std::int64_t count) { return Tensor::empty({count}, DType::i32, index.device()); };
  const Keys keys{index.data<std::int64_t>(), n, size};
  const cudaStream_t stream = current_stream();
  SortedIndex sorted{ints(n), ints(n)};
  if (n <= kFew) {
    const auto blocks = static_cast<unsigned>((n * kCounters + kThreads - 1) / kThreads);
    launch(count_smaller, blocks, kThreads, 0, stream, keys, pairs_of(sorted), fault_of(op));
    return sorted;
  }
  SortedIndex other{ints(n), ints(n)};
  const Tensor counts = ints(std::int64_t{tiles} * kDigits);
  const auto grid = static_cast<unsigned>(tiles);
  launch(make_keys, blocks_for(n), kThreads, 0, stream, keys, pairs_of(sorted), fault_of(op));
  for (int shift = 0; size >> shift != 0; shift += 8) {
    launch(count_digits, grid, kThreads, 0, stream, pairs_of(sorted).keys, n, shift, counts.data<int>());
    launch(counts_to_starts, 1, kThreads, 0, stream, counts.data<int>(), tiles);
    launch(move_pairs, grid, kThreads, 0, stream, pairs_of(sorted), pairs_of(other), n, shift, counts.data<int>());
    std::swap(sorted, other);
  }
  return sorted;
}

}  // namespace hop::kernels::cuda
