#include "tensor/storage.h"

#include "tensor/allocator.h"
#include "tensor/dependencies.h"

namespace hop {

Storage::Body::Body() {
  if (detail::collecting != nullptr) [[unlikely]]
    born_in = detail::collecting->serial();
}

Storage::Storage(std::size_t size, Device device) : body_(new Body) {
  body_->device = device;
  body_->size = size;
  MemoryPool* pool = MemoryPool::current(device);
  body_->data = static_cast<std::byte*>(pool != nullptr ? pool->allocate(size) : memory::allocate(size, device));
  if (pool != nullptr) body_->pool = pool->shared_from_this();
}

Storage Storage::borrow(void* data, std::size_t size, std::shared_ptr<void> owner, Device device) {
  Storage storage;
  storage.body_ = IntrusivePtr<Body>(new Body);
  storage.body_->data = static_cast<std::byte*>(data);
  storage.body_->size = size;
  storage.body_->device = device;
  storage.body_->owner = std::move(owner);
  storage.body_->borrowed = true;
  return storage;
}

Storage::Body::~Body() {
  if (borrowed) return;
  pool ? pool->free(data, size) : memory::free(data, size, device);
}

}  // namespace hop
