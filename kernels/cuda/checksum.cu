// Checksums and packing. Floors: checksum, one read; pack, one read and one write, including the checksum. Two 64-bit
// products per word keep an H100's integer units about half busy at the full rate of its memory.
#include "kernels/cuda/checksum.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/packet.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

using Words = Packet<std::uint64_t, 2>;
constexpr std::uint64_t kUnit = sizeof(Words);

__device__ inline std::uint64_t hash_of(const Words& words, std::uint64_t unit) {
  return word_hash(words.v[0], 2 * unit) + word_hash(words.v[1], 2 * unit + 1);
}

/// The unit's bytes from `at` on: 16 with one load, or the first `count`, then zeros.
__device__ inline Words load_unit(const std::byte* at, std::uint64_t count) {
  if (count >= kUnit && reinterpret_cast<std::uintptr_t>(at) % kUnit == 0) return *reinterpret_cast<const Words*>(at);
  Words words{};
#pragma unroll
  for (unsigned i = 0; i < kUnit; ++i) {
    if (i < count) words.v[i / 8] |= static_cast<std::uint64_t>(at[i]) << 8 * (i % 8);
  }
  return words;
}

/// *result += the sum over the block's threads. Integer addition gives the same result in any order.
__device__ inline void add_block_sum(std::uint64_t sum, unsigned long long* result) {
  __shared__ std::uint64_t of_warp[kThreads / 32];
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffU, sum, distance);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  std::uint64_t total = 0;
  for (const std::uint64_t part : of_warp) total += part;
  atomicAdd(result, static_cast<unsigned long long>(total));
}

__global__ void __launch_bounds__(kThreads)
    checksum_kernel(const std::byte* bytes, std::uint64_t size, unsigned long long* result) {
  const std::uint64_t units = (size + kUnit - 1) / kUnit, step = std::uint64_t{gridDim.x} * kThreads;
  std::uint64_t sum = blockIdx.x == 0 && threadIdx.x == 0 ? mixed(size) : 0;
  for (std::uint64_t unit = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x; unit < units; unit += step) {
    const std::uint64_t left = size - unit * kUnit;
    const Words words = load_unit(bytes + unit * kUnit, left);
    sum += left > 8 ? hash_of(words, unit) : word_hash(words.v[0], 2 * unit);  // a missing word has no hash
  }
  add_block_sum(sum, result);
}

// A launch takes the parts as an argument of at most 4 KiB, so no table has to be copied to the device first.
constexpr int kParts = 128;
struct PartTable {
  int count;
  PackedPart parts[kParts];

  /// The last part that begins at or before `offset`; -1 before the first.
  __device__ int find(std::uint64_t offset) const {
    int low = -1, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (parts[middle].offset <= offset ? low : high) = middle;
    }
    return low;
  }
};

/// Bytes begin .. end - 1 of the block, from the parts of the table; begin is a multiple of 16, and so is end but for
/// the last launch.
__global__ void __launch_bounds__(kThreads)
    pack_kernel(const __grid_constant__ PartTable table, std::byte* block, std::uint64_t begin, std::uint64_t end,
                std::uint64_t size, unsigned long long* result) {
  const std::uint64_t units = (end + kUnit - 1) / kUnit, step = std::uint64_t{gridDim.x} * kThreads;
  std::uint64_t sum = begin == 0 && blockIdx.x == 0 && threadIdx.x == 0 ? mixed(size) : 0;
  for (std::uint64_t unit = begin / kUnit + std::uint64_t{blockIdx.x} * kThreads + threadIdx.x; unit < units;
       unit += step) {
    const std::uint64_t offset = unit * kUnit;
    const int k = table.find(offset);
    Words words{};
    if (k >= 0 && offset < table.parts[k].offset + table.parts[k].size) {
      const std::uint64_t within = offset - table.parts[k].offset;
      words = load_unit(table.parts[k].from + within, table.parts[k].size - within);
    }
    const std::uint64_t left = size - offset;
    if (left >= kUnit) {
      *reinterpret_cast<Words*>(block + offset) = words;
    } else {
#pragma unroll
      for (unsigned i = 0; i < kUnit; ++i) {
        if (i < left) block[offset + i] = static_cast<std::byte>(words.v[i / 8] >> 8 * (i % 8));
      }
    }
    sum += left > 8 ? hash_of(words, unit) : word_hash(words.v[0], 2 * unit);
  }
  add_block_sum(sum, result);
}

unsigned long long* cleared(const Tensor& result) {
  auto* word = reinterpret_cast<unsigned long long*>(result.data<std::int64_t>());
  check(cudaMemsetAsync(word, 0, sizeof *word, current_stream()), "cudaMemsetAsync");
  return word;
}

/// The number of blocks for `bytes`. At least one, because one block adds the size.
unsigned grid_of(std::uint64_t bytes) {
  return blocks_for(std::max<std::int64_t>(1, static_cast<std::int64_t>((bytes + kUnit - 1) / kUnit)));
}

void check_parts(std::span<const PackedPart> parts, std::size_t size) {
  std::size_t end = 0;
  for (const PackedPart& part : parts) {
    if (part.offset % kUnit != 0 || part.offset < end || part.offset > size || part.size > size - part.offset) {
      throw ShapeError("[pack] expected parts in order, on multiples of 16, within " + std::to_string(size) +
                       " bytes, got one of " + std::to_string(part.size) + " bytes at " + std::to_string(part.offset));
    }
    end = part.offset + part.size;
  }
}

}  // namespace

void checksum(ByteView bytes, const Tensor& result) {
  launch(checksum_kernel, grid_of(bytes.size()), kThreads, 0, current_stream(), bytes.data(), bytes.size(),
         cleared(result));
}

void pack(std::span<const PackedPart> parts, MutableByteView block, const Tensor& result) {
  check_parts(parts, block.size());
  unsigned long long* word = cleared(result);
  std::uint64_t begin = 0;
  do {
    PartTable table{};
    table.count = static_cast<int>(std::min<std::size_t>(parts.size(), kParts));
    std::copy_n(parts.begin(), table.count, table.parts);
    parts = parts.subspan(static_cast<std::size_t>(table.count));
    const std::uint64_t end = parts.empty() ? block.size() : parts.front().offset;
    launch(pack_kernel, grid_of(end - begin), kThreads, 0, current_stream(), table, block.data(), begin, end,
           block.size(), word);
    begin = end;
  } while (!parts.empty());
}

}  // namespace hop::kernels::cuda
