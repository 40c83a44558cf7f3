// Device memory of the executor: plain host memory with guards around every buffer.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace hop::simt {

/// Every buffer lies between two guards and starts on a multiple of 256, as cudaMalloc promises. Fresh bytes are 0xFF:
/// NaN as a floating number, -1 as an integer. Guards read as NaN too, so what is read past an end shows in the result;
/// what is written there is found by find_damage(). Under AddressSanitizer the guards are poisoned instead: it reports
/// the load or store itself. Safe to call from several threads.
class DeviceMemory {
 public:
  /// Null where `limit` bytes in all would be passed.
  void* allocate(std::size_t size, std::size_t limit);
  /// False if `data` is no start of a live buffer. Damage found on the way is kept for find_damage().
  bool free(void* data);

  /// Whether [data, data + size) lies in one live buffer, in none, or crosses an end.
  enum class Place { device, host, crosses };
  Place place(const void* data, std::size_t size) const;

  /// The first damaged guard, in words, and mends it, so that the next kernel is not blamed.
  std::optional<std::string> find_damage();

  std::size_t used() const;
  std::size_t buffers() const;

 private:
  struct Buffer {
    std::size_t size;
    std::size_t number;  ///< how many were allocated before it
    std::byte* memory;   ///< where the lower guard starts
  };
  static std::optional<std::string> damage(std::byte* data, const Buffer& buffer);

  mutable std::mutex mutex_;
  std::map<std::byte*, Buffer> buffers_;  // by the address that the caller has
  std::optional<std::string> damage_at_free_;
  std::size_t used_ = 0;
  std::size_t allocated_ = 0;
};

DeviceMemory& device_memory();

}  // namespace hop::simt
