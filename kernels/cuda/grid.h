// The shape of a launch that walks many independent items: blocks of 256 threads in a grid-stride loop.
#pragma once

#include <algorithm>
#include <cstdint>

namespace hop::kernels::cuda {

/// Threads per block. Eight such blocks fill an SM of an A100 or H100 where a thread needs at most 32 registers.
inline constexpr int kThreads = 256;

/// Enough blocks to fill any card many times over; beyond it, threads take several items each.
inline constexpr std::int64_t kMaxBlocks = 8192;

/// Blocks for `items` > 0 items, one per thread.
inline unsigned blocks_for(std::int64_t items) {
  return static_cast<unsigned>(std::min((items + kThreads - 1) / kThreads, kMaxBlocks));
}

}  // namespace hop::kernels::cuda
