// What the processes below this one use of the machine. Linux: elsewhere everything is 0.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace hop {

/// Bytes that the children of this process which have ended, and their children, had to read from disks. What the page
/// cache had does not count.
std::uint64_t bytes_read_by_children();

/// Looks at all processes below this one ten times a second while it lives.
class ChildrenWatch {
 public:
  ChildrenWatch();
  /// The most memory of one process that was seen, where pages that several processes share are shared out among them
  /// (PSS).
  std::uint64_t peak_pss_bytes() const { return peak_; }

 private:
  std::atomic<std::uint64_t> peak_ = 0;
  std::jthread thread_;  // the last member: it ends first
};

}  // namespace hop
