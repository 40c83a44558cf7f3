#include "tests/nn/allocations.h"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

constinit thread_local std::uint64_t count = 0;
constinit thread_local std::size_t refused = 0;  // 0: none

void* allocate(std::size_t size, std::size_t boundary) {
  ++count;
  if (refused != 0 && size == refused) {
    refused = 0;
    throw std::bad_alloc();
  }
  void* memory = std::aligned_alloc(boundary, (size + boundary) / boundary * boundary);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
// A sanitizer has an operator of its own for this one, and would miss the delete that fits it.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++count;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace hop::nn::testing {

std::uint64_t heap_allocations() { return count; }
void refuse_allocation(std::size_t size) { refused = size; }

}  // namespace hop::nn::testing
