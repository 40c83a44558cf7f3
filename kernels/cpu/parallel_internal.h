// Loops over threads, for kernels whose parts are independent.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/threads.h"

namespace hop::kernels {

/// Calls run(context, i) for i < n on `threads` threads.
void run_on_threads(int threads, std::int64_t n, void (*run)(const void* context, std::int64_t i), const void* context);

/// Calls f(begin, end) for 0..n-1 cut every `grain`, on at most compute_threads() threads. The cuts depend on n and
/// grain alone, so results that depend on the cuts (partial sums) have the same bits for every number of threads. f
/// must not throw if there can be more than one thread.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, const F& f) {
  const std::int64_t chunks = (n + grain - 1) / grain;
  const auto chunk = [&](std::int64_t i) { f(i * grain, std::min(n, (i + 1) * grain)); };
  const int threads = static_cast<int>(std::min<std::int64_t>(compute_threads(), chunks));
  if (threads <= 1) {
    for (std::int64_t i = 0; i < chunks; ++i) chunk(i);
    return;
  }
  run_on_threads(
      threads, chunks, [](const void* context, std::int64_t i) { (*static_cast<const decltype(chunk)*>(context))(i); },
      &chunk);
}

}  // namespace hop::kernels
