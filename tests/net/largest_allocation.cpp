#include "tests/net/largest_allocation.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::size_t> largest = 0;
}

void* operator new(std::size_t size, std::align_val_t alignment) {
  largest = std::max(largest.load(), size);
  const auto boundary = static_cast<std::size_t>(alignment);
  void* memory = std::aligned_alloc(boundary, (size + boundary - 1) / boundary * boundary);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace hop::net::testing {

std::size_t largest_allocation() { return largest; }
void forget_allocations() { largest = 0; }

}  // namespace hop::net::testing
