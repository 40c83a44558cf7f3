// Host blocks for states that come and go, used again and again. A fresh block costs page faults, and for a device that
// copies from it milliseconds of registration; one that was used before costs nothing, and lies where it lay: what a
// trainer recorded for its address is still good.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "nn/state.h"

namespace hop::nn {

/// Thread-safe. Blocks may outlive every other handle to the pool.
class StatePool : public std::enable_shared_from_this<StatePool> {
 public:
  /// For states of blocks on `device`. Keeps at most `kept` blocks that nobody uses.
  static std::shared_ptr<StatePool> make_shared(Device device = Device::cpu(), std::size_t kept = 8);

  /// A block of `size` bytes with any contents. It comes back when its last handle is gone. Throws std::bad_alloc.
  StateBytes make(std::size_t size);
  /// Makes `count` blocks of `size` bytes now, so that as many calls of make() find theirs. Throws like make().
  void reserve(std::size_t size, std::size_t count);

 private:
  StatePool(Device device, std::size_t kept) : device_(device), kept_(kept) {}
  void give_back(AlignedBuffer* block) noexcept;

  const Device device_;
  const std::size_t kept_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<AlignedBuffer>> free_;  // the latest last
};

}  // namespace hop::nn
