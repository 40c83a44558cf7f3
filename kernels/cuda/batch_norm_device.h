// How batch_norm.cu walks its channels: a channel is cut into parts, a part into chunks, a chunk is summed by a fixed
// tree, and the moments of chunks and parts are merged in order.
//
// Two ways for a block to read, with one tree, and so the same bits:
//
//   Part         one channel, 256 threads beside each other along its values.
//   ColumnPart   (N, C), where the values of a channel lie C apart: eight channels side by side, so that memory is read
//                in whole sectors of 32 bytes. A thread stands for one thread of each of a Part's eight warps.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/access_device.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/walk.h"

namespace hop::kernels::cuda {

inline constexpr int kBlock = 256;
inline constexpr int kValues = 8;                // of a thread at once
inline constexpr int kChunk = kBlock * kValues;  // of a block at once
inline constexpr int kWarps = kBlock / 32;
inline constexpr int kMaxParts = 64;  // a warp merges them: two per lane

/// Mean and squared deviations m2 of n values.
template <class T>
struct Moments {
  std::int64_t n = 0;
  T mean = 0, m2 = 0;

  /// The moments of both together. Rounding is not symmetric: the order matters.
  __device__ Moments then(const Moments& next) const {
    if (n == 0) return next;
    if (next.n == 0) return *this;
    const T total = static_cast<T>(n + next.n), delta = next.mean - mean, share = static_cast<T>(next.n) / total;
    return {n + next.n, mean + delta * share, m2 + next.m2 + delta * delta * (static_cast<T>(n) * share)};
  }
  __device__ Moments from_lane(int lane_mask) const {
    return {static_cast<std::int64_t>(__shfl_xor_sync(kAllLanes, static_cast<long long>(n), lane_mask)),
            __shfl_xor_sync(kAllLanes, mean, lane_mask), __shfl_xor_sync(kAllLanes, m2, lane_mask)};
  }
};

/// The layout of the channels and their parts.
struct Channels {
  std::int64_t channels, size, count;  // count: values per channel
  std::int64_t parts, part_count;      // part_count: values per part, whole chunks
  FastDivision by_size;
  bool aligned;

  explicit Channels(const Shape& x)
      : channels(x[1]), size(x.numel() / (x[0] * x[1])), count(x[0] * size), by_size(), aligned(true) {
    const auto ceil_div = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
    const std::int64_t wanted = std::clamp<std::int64_t>(1024 / channels, 1, kMaxParts);
    part_count = ceil_div(ceil_div(count, wanted), kChunk) * kChunk;
    parts = ceil_div(count, part_count);
    if (count <= kMaxElements) by_size = FastDivision(static_cast<std::uint32_t>(size));
  }
  /// The offset of value e of a channel.
  __device__ std::int64_t at(std::int64_t channel, std::int64_t e) const {
    const std::int64_t run = count <= kMaxElements ? by_size.quotient(static_cast<std::uint32_t>(e)) : e / size;
    return (run * channels + channel) * size + (e - run * size);
  }
  __device__ std::int64_t count_of(std::int64_t part) const {
    return max(std::int64_t{0}, min(count - part * part_count, part_count));
  }
};

/// Calls f(from, to) for every chunk from `begin` to `end`.
template <class F>
__device__ void for_each_chunk(std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t from = begin; from < end; from += kChunk) f(from, min(end, from + kChunk));
}

/// The values of one part of one channel, kWidth per access.
template <int kAccess>
struct Part {
  static constexpr int kWidth = kAccess;
  static constexpr int kSlots = kValues / kWidth;  ///< accesses of a thread to a chunk
  static constexpr int kSums = 1;                  ///< sums that a thread keeps
  const Channels& shape;
  std::int64_t channel, begin, end;

  __device__ Part(const Channels& channels, std::int64_t c, std::int64_t part)
      : shape(channels), channel(c), begin(part * shape.part_count), end(begin + shape.count_of(part)) {}
  /// Whether this thread writes the values that a channel has once.
  __device__ bool speaks() const { return threadIdx.x == 0; }
  /// Calls f(slot, sum, where) for every access of this thread to the values from `from` to `to`: `where` is the offset
  /// of its first value, `sum` the number of the sum that its values belong to.
  template <class F>
  __device__ void for_each(std::int64_t from, std::int64_t to, const F& f) const {
#pragma unroll
    for (int k = 0; k < kSlots; ++k) {
      const std::int64_t e = from + (k * kBlock + static_cast<int>(threadIdx.x)) * kWidth;
      if (e < to) f(k, 0, shape.at(channel, e));
    }
  }
  /// The same for callers that keep nothing per slot.
  template <class F>
  __device__ void stream(std::int64_t from, std::int64_t to, const F& f) const {
    for_each(from, to, f);
  }
  /// The sum over the block, for all threads.
  template <class T>
  __device__ T tree(const T (&sums)[kSums]) const {
    return block_reduce<Add, kBlock>(sums[0]);
  }
  /// The result of `merged(channel)`, which every warp computes for itself.
  template <class F>
  __device__ auto total(const F& merged) const {
    return merged(channel);
  }
};

/// The same part of kColumns neighbouring channels whose values lie apart (size 1).
struct ColumnPart {
  static constexpr int kColumns = kWarps;  ///< a warp for each in the tree
  static constexpr int kWidth = 1;
  static constexpr int kSlots = kValues * kWarps;
  static constexpr int kSums = kWarps;  ///< the part of thread `lane` of each warp of a Part
  const Channels& shape;
  std::int64_t first, channel, begin, end;  // channel: this thread's, or the last one if it has none
  bool exists;

  __device__ ColumnPart(const Channels& channels, std::int64_t tile, std::int64_t part)
      : shape(channels),
        first(tile * kColumns),
        channel(min(first + column(), shape.channels - 1)),
        begin(part * shape.part_count),
        end(begin + shape.count_of(part)),
        exists(first + column() < shape.channels) {}
  static __device__ int column() { return static_cast<int>(threadIdx.x) % kColumns; }
  static __device__ int lane() { return static_cast<int>(threadIdx.x) / kColumns; }
  __device__ bool speaks() const { return exists && lane() == 0; }
  template <class F>
  __device__ void for_each(std::int64_t from, std::int64_t to, const F& f) const {
#pragma unroll
    for (int k = 0; k < kValues; ++k) for_row(k, from, to, f);
  }
  template <class F>
  __device__ void stream(std::int64_t from, std::int64_t to, const F& f) const {
#pragma unroll 1  // eight loads at once are enough; 64 would need too many registers
    for (int k = 0; k < kValues; ++k) for_row(k, from, to, f);
  }
  /// The values of threads `lane` in row k of a Part.
  template <class F>
  __device__ void for_row(int k, std::int64_t from, std::int64_t to, const F& f) const {
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) {
      const std::int64_t e = from + k * kBlock + warp * 32 + lane();
      if (exists && e < to) f(k * kWarps + warp, warp, e * shape.channels + channel);
    }
  }
  /// The sum of each thread's channel. As block_reduce: every warp of a Part, then the warps.
  template <class T>
  __device__ T tree(const T (&sums)[kSums]) const {
    __shared__ T tile[kColumns][kBlock + 4];  // + 4, so that neighbouring threads write to different memory banks
    __shared__ T totals[kColumns];
#pragma unroll  // the barrier of the call before guarantees that its values have been read
    for (int warp = 0; warp < kWarps; ++warp) tile[column()][warp * 32 + lane()] = sums[warp];
    __syncthreads();
    const int mine = static_cast<int>(threadIdx.x) / 32, at = static_cast<int>(threadIdx.x) % 32;
    T of_warp[kWarps];
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) of_warp[warp] = warp_reduce<Add>(tile[mine][warp * 32 + at]);
#pragma unroll
    for (int distance = kWarps / 2; distance > 0; distance /= 2) {
#pragma unroll
      for (int warp = 0; warp < distance; ++warp) of_warp[warp] += of_warp[warp + distance];
    }
    if (at == 0) totals[mine] = of_warp[0];
    __syncthreads();
    return totals[column()];
  }
  template <class F>
  __device__ auto total(const F& merged) const {
    using Total = decltype(merged(channel));
    __shared__ Total totals[kColumns];
    const int mine = static_cast<int>(threadIdx.x) / 32;
    const Total all = merged(min(first + mine, shape.channels - 1));
    if (threadIdx.x % 32 == 0) totals[mine] = all;
    __syncthreads();
    return totals[column()];
  }
};

/// Writes y = f(x..) for all values of the part. Inputs are loaded as packets.
template <class Part, class T, class F, class... Inputs>
__device__ void fill(const Part& part, T* y, const F& f, const Inputs*... inputs) {
  constexpr int kWidth = Part::kWidth;
  for_each_chunk(part.begin, part.end, [&](std::int64_t from, std::int64_t to) {
    part.stream(from, to, [&](int, int, std::int64_t where) {
      const bool aligned = part.shape.aligned;
      const auto apply = [&](const auto&... packets) {
        Packet<T, kWidth> packet;
#pragma unroll
        for (int i = 0; i < kWidth; ++i) packet.v[i] = f(packets.v[i]...);
        store(y + where, packet, aligned);
      };
      apply(load<kWidth>(inputs + where, aligned)...);
    });
  });
}

}  // namespace hop::kernels::cuda
