// Reusable host blocks for states that come and go. A fresh block costs page faults, and, if a device copies from it,
// milliseconds of registration. A used block costs nothing and keeps its address, so a step that was recorded for the
// address stays valid.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "nn/state.h"

namespace hop::nn {

/// Thread-safe: the network, disk and compute threads of a worker take and return blocks. Blocks may outlive every
/// other handle to the pool.
class StatePool : public std::enable_shared_from_this<StatePool> {
 public:
  using Fresh = std::function<AlignedBuffer(std::size_t size)>;
  /// A pool for states of blocks on `device`. Keeps at most `kept` unused blocks. `fresh` makes a block that the pool
  /// does not have; empty: the device's own.
  static std::shared_ptr<StatePool> make_shared(Device device = Device::cpu(), std::size_t kept = 8, Fresh fresh = {});

  /// A block of `size` bytes with any contents. It returns to the pool when its last handle is gone. Throws
  /// std::bad_alloc.
  StateBytes make(std::size_t size);
  /// The same if the pool has a block, which takes no time; otherwise null. A fresh block is cleared, and perhaps
  /// registered with a device: for a large state that takes seconds.
  StateBytes find(std::size_t size);
  /// Makes `count` blocks of `size` bytes now, so that the next `count` calls of make() find them. Throws like make().
  void reserve(std::size_t size, std::size_t count);

 private:
  StatePool(Device device, std::size_t kept, Fresh fresh);
  StateBytes owned(std::unique_ptr<AlignedBuffer> block);
  void give_back(AlignedBuffer* block) noexcept;

  const std::size_t kept_;
  const Fresh fresh_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<AlignedBuffer>> free_;  // the latest last
};

}  // namespace hop::nn
