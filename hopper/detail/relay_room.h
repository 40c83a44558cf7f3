// The memory of the coordinator for states that it passes on between workers. Internal to Hopscotch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>

#include "hopper/detail/unclear_buffer.h"

namespace hop::hopper {

/// How many bytes of states the coordinator holds at once to pass them on. States beyond it wait for their turn.
inline constexpr std::uint64_t kMostRelayedBytes = std::uint64_t{1} << 30;

struct RelayLimits {
  std::uint64_t most_bytes = kMostRelayedBytes;
  /// Makes memory for a state; throws std::bad_alloc. Tests simulate machines without memory with it.
  std::function<AlignedBuffer(std::uint64_t bytes)> fresh = unclear_buffer;
};

/// Counts the bytes of the states that are asked for or here. One thread.
class RelayRoom {
 public:
  /// Room for one state, until the last copy of it is gone.
  using Place = std::shared_ptr<const void>;

  explicit RelayRoom(std::uint64_t most) : most_(most) {}

  /// Room for so many bytes; null if there is none now. A state that is larger than all of the room gets it alone.
  Place take(std::uint64_t bytes) {
    const bool fits = *held_ == 0 || (bytes <= most_ && *held_ <= most_ - bytes);
    if (!fits) return nullptr;
    *held_ += bytes;
    return {held_.get(), [held = held_, bytes](const void*) { *held -= bytes; }};
  }
  std::uint64_t held() const { return *held_; }
  std::uint64_t most() const { return most_; }

 private:
  std::uint64_t most_;
  std::shared_ptr<std::uint64_t> held_ = std::make_shared<std::uint64_t>(0);  // places may outlive the room
};

}  // namespace hop::hopper
