// Ranges of bytes: views, and an owned, 64-byte aligned buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>

namespace hop {

using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;

/// Every block of the library (states, columns, tensors) starts on a multiple of 64 bytes: one cache line, one AVX-512
/// register.
inline constexpr std::size_t kAlignment = 64;

constexpr std::size_t align_up(std::size_t bytes, std::size_t alignment = kAlignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

inline ByteView as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// Uninitialised memory, aligned to kAlignment; null when the system has none. A block larger than a large page lies on
/// large pages if the system has them. A state then costs a handful of page faults instead of thousands, and loops do
/// not stop where a small page ends.
void* allocate_block(std::size_t size) noexcept;
void free_block(void* block) noexcept;

/// Owned bytes on a 64-byte boundary, zero-filled. Moves, does not copy.
class AlignedBuffer {
 public:
  using FreeFunction = void (*)(std::byte* data);

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    data_.reset(static_cast<std::byte*>(allocate_block(size)));
    if (!data_) throw std::bad_alloc();
    std::memset(data_.get(), 0, align_up(size));
  }
  /// Takes over `size` bytes that were allocated elsewhere (memory that a device copies from). `free` gives them back.
  AlignedBuffer(std::byte* data, std::size_t size, FreeFunction free) : data_(data, Free{free}), size_(size) {}
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  MutableByteView span() { return {data_.get(), size_}; }
  ByteView span() const { return {data_.get(), size_}; }

 private:
  static void free_aligned(std::byte* data) { free_block(data); }
  struct Free {
    FreeFunction free;
    void operator()(std::byte* data) const { free(data); }
  };
  std::unique_ptr<std::byte[], Free> data_{nullptr, Free{free_aligned}};
  std::size_t size_ = 0;
};

}  // namespace hop
