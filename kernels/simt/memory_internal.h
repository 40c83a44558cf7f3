// Device memory of the executor: plain host memory with guards around every buffer.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace hop::simt {

/// Every buffer lies between two guards and starts on a multiple of 256, as cudaMalloc promises. Fresh bytes are 0xFF:
/// NaN as a floating number, -1 as an integer. Guards also read as NaN, so a read past an end shows in the result.
/// find_damage() finds a write there. Under AddressSanitizer the guards are poisoned instead, and it reports the load
/// or store itself. Thread-safe.
class DeviceMemory {
 public:
  /// Null if the total would pass `limit` bytes.
  void* allocate(std::size_t size, std::size_t limit);
  /// False if `data` is not the start of a live buffer. Keeps damage that it finds for find_damage().
  bool free(void* data);

  /// Whether [data, data + size) lies in one live buffer, in none, or crosses the end of one.
  enum class Place { device, host, crosses };
  Place place(const void* data, std::size_t size) const;

  /// Describes the first damaged guard, and repairs it, so that the next kernel is not blamed.
  std::optional<std::string> find_damage();

  std::size_t used() const;
  std::size_t buffers() const;

 private:
  struct Buffer {
    std::size_t size;
    std::size_t number;  ///< how many buffers were allocated before it
    std::byte* memory;   ///< where the lower guard starts
  };
  static std::optional<std::string> damage(std::byte* data, const Buffer& buffer);

  mutable std::mutex mutex_;
  std::map<std::byte*, Buffer> buffers_;  // by the address that the caller received
  std::optional<std::string> damage_at_free_;
  std::size_t used_ = 0;
  std::size_t allocated_ = 0;
};

DeviceMemory& device_memory();

}  // namespace hop::simt
