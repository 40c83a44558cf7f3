#include "nn/state_pool.h"

#include <algorithm>
#include <new>
#include <utility>

#include "tensor/backend.h"

namespace hop::nn {

std::shared_ptr<StatePool> StatePool::make_shared(Device device, std::size_t kept, Fresh fresh) {
  return std::shared_ptr<StatePool>(new StatePool(device, kept, std::move(fresh)));
}

StatePool::StatePool(Device device, std::size_t kept, Fresh fresh)
    : kept_(kept),
      fresh_(fresh ? std::move(fresh) : [device](std::size_t size) { return backend(device).host_buffer(size); }) {}

StateBytes StatePool::find(std::size_t size) {
  std::unique_ptr<AlignedBuffer> block;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = std::find_if(free_.rbegin(), free_.rend(), [size](const auto& b) { return b->size() == size; });
    if (found == free_.rend()) return nullptr;
    block = std::move(*found);
    free_.erase(std::prev(found.base()));
  }
  return owned(std::move(block));
}

StateBytes StatePool::make(std::size_t size) {
  StateBytes block = find(size);
  return block != nullptr ? block : owned(std::make_unique<AlignedBuffer>(fresh_(size)));
}

StateBytes StatePool::owned(std::unique_ptr<AlignedBuffer> block) {
  return {block.release(), [pool = shared_from_this()](AlignedBuffer* b) { pool->give_back(b); }};
}

void StatePool::reserve(std::size_t size, std::size_t count) {
  std::vector<StateBytes> blocks;  // all alive at once: a block that has returned would be handed out again
  for (std::size_t i = 0; i < count; ++i) blocks.push_back(make(size));
}

void StatePool::give_back(AlignedBuffer* block) noexcept {
  std::unique_ptr<AlignedBuffer> owned(block), dropped;  // freed outside of the lock, because unpinning takes time
  try {
    const std::scoped_lock lock(mutex_);
    free_.push_back(std::move(owned));
    if (free_.size() <= kept_) return;
    dropped = std::move(free_.front());
    free_.erase(free_.begin());
  } catch (const std::bad_alloc&) {  // the block is not kept
  }
}

}  // namespace hop::nn
