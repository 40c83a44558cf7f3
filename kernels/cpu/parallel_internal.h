// Loops over threads, for kernels whose parts are independent.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/threads.h"

namespace hop::kernels {

/// Calls f(begin, end) for 0..n-1 cut every `grain`, on at most compute_threads() threads. The cuts depend on n and
/// grain alone, so results that depend on the cuts (partial sums) have the same bits for every number of threads. f
/// must not throw.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, const F& f) {
  const std::int64_t chunks = (n + grain - 1) / grain;
  const auto chunk = [&](std::int64_t i) { f(i * grain, std::min(n, (i + 1) * grain)); };
  const int threads = static_cast<int>(std::min<std::int64_t>(compute_threads(), chunks));
  if (threads <= 1) {
    for (std::int64_t i = 0; i < chunks; ++i) chunk(i);
    return;
  }
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t i = 0; i < chunks; ++i) chunk(i);
}

}  // namespace hop::kernels
