// The shape of a launch that walks many independent items: blocks of 256 threads in a grid-stride loop.
#pragma once

#include <algorithm>
#include <cstdint>

namespace hop::kernels::cuda {

/// Threads per block. Eight such blocks fill an SM of an A100 or H100 where a thread needs at most 32 registers.
inline constexpr int kThreads = 256;

/// Enough blocks to fill any card many times over. Beyond this number, threads take several items each. No result
/// depends on it. Tests lower it to reach that case with few items.
inline constinit std::int64_t max_blocks = 8192;

/// Blocks for `items` > 0 items, one per thread.
inline unsigned blocks_for(std::int64_t items) {
  return static_cast<unsigned>(std::min((items + kThreads - 1) / kThreads, max_blocks));
}

}  // namespace hop::kernels::cuda
