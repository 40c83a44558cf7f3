// A mutex for critical sections of a few instructions.
#pragma once

#include <atomic>

namespace hop {

/// A std::mutex costs two calls into the C library beside its two atomic operations. In an operation on a small tensor
/// these calls are a tenth of the time. Who waits sleeps in the kernel. Not fair.
class LightMutex {
 public:
  void lock() noexcept {
    while (held_.test_and_set(std::memory_order_acquire)) held_.wait(true, std::memory_order_relaxed);
  }
  void unlock() noexcept {
    held_.clear(std::memory_order_seq_cst);  // before the look for waiters: a weaker order could miss one
    held_.notify_one();
  }

 private:
  std::atomic_flag held_;
};

}  // namespace hop
