// A mutex for critical sections of a few instructions.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/single_threaded.h"

namespace hop {

/// A std::mutex costs two calls into the C library beside its two atomic operations. In an operation on a small tensor
/// these calls are a tenth of the time. Who waits sleeps in the kernel. Not fair.
class LightMutex {
 public:
  void lock() noexcept {
    if (is_single_threaded() && state_.load(std::memory_order_relaxed) == kFree) {
      state_.store(kHeld, std::memory_order_relaxed);
      return;
    }
    std::uint32_t expected = kFree;
    if (state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire, std::memory_order_relaxed)) return;
    // A thread that had to wait takes the mutex as awaited, because others may wait, too.
    while (state_.exchange(kAwaited, std::memory_order_acquire) != kFree)
      state_.wait(kAwaited, std::memory_order_relaxed);
  }
  void unlock() noexcept {
    if (is_single_threaded()) {
      state_.store(kFree, std::memory_order_relaxed);
      return;
    }
    // Sequentially consistent, because notify_one() looks for waiters after it: a weaker order could miss one.
    if (state_.exchange(kFree, std::memory_order_seq_cst) == kAwaited) state_.notify_one();
  }

 private:
  static constexpr std::uint32_t kFree = 0, kHeld = 1, kAwaited = 2;
  std::atomic<std::uint32_t> state_{kFree};
};

}  // namespace hop
