// A stable sort of (key, position) pairs, in one of two ways by their number.
//
// Few pairs, the tokens of a batch: the place of a pair is the number of keys before its own, so it is counted. That is
// n comparisons per pair, but one launch instead of seven, and launches are what a small step waits for.
//
// Many pairs: a radix sort (radix_device.h).
#include "kernels/cuda/index_sort.h"

#include <bit>
#include <string>
#include <utility>

#include "base/error.h"
#include "kernels/cuda/fault.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/radix_device.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kFew = 4096;    // pairs that are sorted by counting
constexpr int kCounters = 8;  // lanes that count for a pair, so that few pairs are work for many multiprocessors

using Pairs = radix::Pairs<std::int32_t, std::int32_t>;

/// The values of an index as keys. A value outside 0 .. size - 1 gets the key `size`.
struct Keys {
  const std::int64_t* index;
  int n;
  std::int64_t size;

  __device__ bool is_valid(int i) const { return index[i] >= 0 && index[i] < size; }
  __device__ std::int32_t at(int i) const { return static_cast<std::int32_t>(is_valid(i) ? index[i] : size); }
};

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
  const int n = static_cast<int>(index.numel()), tiles = radix::tiles_of(n);
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
  const Tensor counts = ints(std::int64_t{tiles} * radix::kDigits);
  launch(make_keys, blocks_for(n), kThreads, 0, stream, keys, pairs_of(sorted), fault_of(op));
  for (int shift = 0; size >> shift != 0; shift += 8) {
    radix::pass({n, 1}, pairs_of(sorted), pairs_of(other), shift, counts.data<int>());
    std::swap(sorted, other);
  }
  return sorted;
}

}  // namespace hop::kernels::cuda
