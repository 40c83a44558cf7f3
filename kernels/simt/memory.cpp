#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <new>
#include <utility>

#include "kernels/simt/memory_internal.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace hop::simt {
namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kGuard = 256;
constexpr int kFresh = 0xFF;
// A NaN as a float and, twice, as a double. Kernels are not likely to store it.
constexpr std::uint32_t kGuardWord = 0xFFF5C0DE;

using GuardBytes = std::array<std::byte, 2 * kGuard + sizeof(kGuardWord)>;
constexpr GuardBytes kGuardBytes = [] {
  GuardBytes bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(kGuardWord >> (i % 4 * 8));
  return bytes;
}();

// The bytes of an intact guard at `at`: its words lie on multiples of 4, wherever the guard begins.
const std::byte* intact(const std::byte* at) { return kGuardBytes.data() + reinterpret_cast<std::uintptr_t>(at) % 4; }

void fill_guard(std::byte* begin, std::byte* end) {
  std::memcpy(begin, intact(begin), static_cast<std::size_t>(end - begin));
}

// From a buffer's first byte to the end of its upper guard, which reaches to the end of the allocation, so that any
// size is possible.
std::size_t guarded_size(std::size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment + kGuard; }
std::byte* upper_end(std::byte* data, std::size_t size) { return data + guarded_size(size); }

const std::byte* first_damage(const std::byte* begin, const std::byte* end) {
  const std::byte* const good = intact(begin);
  if (std::memcmp(begin, good, static_cast<std::size_t>(end - begin)) == 0) return nullptr;
  return std::mismatch(begin, end, good).first;
}

}  // namespace

void* DeviceMemory::allocate(std::size_t size, std::size_t limit) {
  const std::scoped_lock lock(mutex_);
  if (size > limit || used_ > limit - size) return nullptr;
  const std::size_t total = kGuard + guarded_size(size);
  auto* const memory = static_cast<std::byte*>(::operator new (total, std::align_val_t{kAlignment}, std::nothrow));
  if (memory == nullptr) return nullptr;
  std::byte* const data = memory + kGuard;
  std::memset(data, kFresh, size);
  fill_guard(memory, data);
  fill_guard(data + size, upper_end(data, size));
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(memory, kGuard);
  __asan_poison_memory_region(data + size, static_cast<std::size_t>(upper_end(data, size) - (data + size)));
#endif
  buffers_[data] = {size, allocated_++, memory};
  used_ += size;
  return data;
}

bool DeviceMemory::free(void* data) {
  const std::scoped_lock lock(mutex_);
  const auto found = buffers_.find(static_cast<std::byte*>(data));
  if (found == buffers_.end()) return false;
  auto& [start, buffer] = *found;
  if (!damage_at_free_) damage_at_free_ = damage(start, buffer);
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(buffer.memory, static_cast<std::size_t>(upper_end(start, buffer.size) - buffer.memory));
#endif
  used_ -= buffer.size;
  ::operator delete (buffer.memory, std::align_val_t{kAlignment});
  buffers_.erase(found);
  return true;
}

DeviceMemory::Place DeviceMemory::place(const void* data, std::size_t size) const {
  const std::scoped_lock lock(mutex_);
  auto* const begin = static_cast<std::byte*>(const_cast<void*>(data));
  auto after = buffers_.upper_bound(begin);
  const auto next = after;
  if (after != buffers_.begin()) {
    const auto& [start, buffer] = *--after;
    const bool inside = std::less{}(begin, start + buffer.size) || begin == start;
    if (inside && begin + size <= start + buffer.size) return Place::device;
    if (std::less{}(begin, upper_end(start, buffer.size))) return Place::crosses;
  }
  if (next != buffers_.end() && std::less{}(next->first - kGuard, begin + size)) return Place::crosses;
  return Place::host;
}

std::optional<std::string> DeviceMemory::damage(std::byte* data, const Buffer& buffer) {
#if defined(__SANITIZE_ADDRESS__)
  static_cast<void>(data);
  static_cast<void>(buffer);
  return std::nullopt;
#else
  const std::string name = "buffer " + std::to_string(buffer.number) + " of " + std::to_string(buffer.size) + " bytes";
  std::byte* const end = data + buffer.size;
  if (const std::byte* at = first_damage(end, upper_end(data, buffer.size))) {
    const std::string where = std::to_string(at - end);
    fill_guard(end, upper_end(data, buffer.size));
    return "one " + where + " bytes behind the end of " + name;
  }
  if (const std::byte* at = first_damage(buffer.memory, data)) {
    const std::string where = std::to_string(data - at);
    fill_guard(buffer.memory, data);
    return "one " + where + " bytes before the start of " + name;
  }
  return std::nullopt;
#endif
}

std::optional<std::string> DeviceMemory::find_damage() {
  const std::scoped_lock lock(mutex_);
  std::optional<std::string> found = std::exchange(damage_at_free_, std::nullopt);
  for (const auto& [data, buffer] : buffers_) {
    if (found) break;
    found = damage(data, buffer);
  }
  return found;
}

std::size_t DeviceMemory::used() const {
  const std::scoped_lock lock(mutex_);
  return used_;
}

std::size_t DeviceMemory::buffers() const {
  const std::scoped_lock lock(mutex_);
  return buffers_.size();
}

DeviceMemory& device_memory() {
  static DeviceMemory& memory = *new DeviceMemory;  // never destroyed: static objects may free after main
  return memory;
}

}  // namespace hop::simt
