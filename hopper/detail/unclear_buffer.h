// Memory for a state that is about to arrive. Internal to Hopscotch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "base/bytes.h"

namespace hop::hopper {

/// Uninitialised: clearing gigabytes would take a network thread a second. Throws std::bad_alloc.
inline AlignedBuffer unclear_buffer(std::uint64_t bytes) {
  auto* data = static_cast<std::byte*>(allocate_block(bytes));
  if (data == nullptr) throw std::bad_alloc();
  return AlignedBuffer(data, bytes, [](std::byte* block) { free_block(block); });
}

}  // namespace hop::hopper
