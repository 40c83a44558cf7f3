#include "tensor/allocator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/light_mutex.h"
#include "tensor/backend.h"

namespace hop::memory {
namespace {

constexpr int kClasses = 8 * 48;

// Size classes: eight steps per power of two, so at most 12.5 % of a block is slack.
struct SizeClass {
  int index;
  std::size_t bytes;
};

/// More than any device has, and small enough that the arithmetic below cannot pass 64 bits.
constexpr std::size_t kMaxBytes = std::size_t{1} << 56;

SizeClass size_class(std::size_t size) {
  const std::size_t rounded = align_up(size);
  if (rounded <= 8 * kAlignment) return {static_cast<int>(rounded / kAlignment) - 1, rounded};
  const int log = static_cast<int>(std::bit_width(rounded - 1)) - 1;  // 2^log < rounded <= 2^(log + 1)
  const std::size_t step = std::size_t{1} << (log - 3);
  const std::size_t steps = (rounded - (std::size_t{1} << log) + step - 1) / step;  // 1..8
  return {8 * (log - 9) + static_cast<int>(steps) + 7, (std::size_t{1} << log) + steps * step};
}

/// The calling thread's reserve; number 0 is shared by all threads.
struct OwnReserve {
  Device device;
  std::size_t number = 0;
};
thread_local OwnReserve own_reserve;

class CachingAllocator {
 public:
  explicit CachingAllocator(Device device) : device_(device) {}

  void* allocate(std::size_t size) {
    const SizeClass c = size_class(size);
    const std::scoped_lock lock(mutex_);
    const std::size_t number = number_of_thread();
    auto& blocks = free_[number][static_cast<std::size_t>(c.index)];
    void* data = nullptr;
    if (!blocks.empty()) {
      data = blocks.back();
      blocks.pop_back();
      cached_ -= c.bytes;
    } else {
      data = fresh(c.bytes, number);
    }
    active_ += c.bytes;
    peak_ = std::max(peak_, active_);
    return data;
  }

  void free(void* data, std::size_t size) noexcept {
    const SizeClass c = size_class(size);
    std::unique_lock lock(mutex_);
    bool may_be_read = false;
    const std::size_t reserve = reserve_of(data);
    if (reserve != number_of_thread()) [[unlikely]] {  // the thread that gets the block next has another order of work
      lock.unlock();
      may_be_read = !backend(device_).wait_for_thread();
      lock.lock();
    }
    active_ -= c.bytes;
    try {
      if (may_be_read) {
        unsettled_.push_back(data);
      } else {
        free_[reserve][static_cast<std::size_t>(c.index)].push_back(data);
      }
      cached_ += c.bytes;
    } catch (const std::bad_alloc&) {
      owners_.erase(data);
      backend(device_).drain();
      backend(device_).free(data, c.bytes);
    }
  }

  /// The number of a reserve that is not in use.
  std::size_t open_reserve() {
    const std::scoped_lock lock(mutex_);
    if (closed_.empty()) {
      free_.emplace_back();
      return free_.size() - 1;
    }
    const std::size_t number = closed_.back();
    closed_.pop_back();
    return number;
  }
  /// The blocks of the reserve become available to all threads.
  void close_reserve(std::size_t number) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(owners_, [&](const auto& owner) { return owner.second == number; });
    for (std::size_t c = 0; c < free_[number].size(); ++c) {
      auto& blocks = free_[number][c];
      free_[0][c].insert(free_[0][c].end(), blocks.begin(), blocks.end());
      blocks.clear();
    }
    closed_.push_back(number);
  }

  void empty_cache() {
    const std::scoped_lock lock(mutex_);
    release_cached();
  }

  void set_limit(std::size_t bytes) {
    const std::scoped_lock lock(mutex_);
    limit_ = bytes;
    if (over_limit(0)) release_cached();
  }

  std::size_t available() {
    const std::scoped_lock lock(mutex_);
    const std::size_t free = backend(device_).free_bytes();
    const std::size_t has = free > SIZE_MAX - cached_ ? SIZE_MAX : free + cached_;
    if (limit_ == 0) return has;
    return std::min(has, limit_ > active_ ? limit_ - active_ : 0);
  }

  template <class Read>
  auto locked(Read read) {
    const std::scoped_lock lock(mutex_);
    return read(*this);
  }

  std::size_t active_ = 0;
  std::size_t peak_ = 0;
  std::size_t cached_ = 0;
  std::uint64_t system_allocations_ = 0;

 private:
  bool over_limit(std::size_t more) const { return limit_ != 0 && active_ + cached_ + more > limit_; }

  std::size_t number_of_thread() const {
    if (own_reserve.number == 0) [[likely]]
      return 0;
    return own_reserve.device == device_ ? own_reserve.number : 0;
  }

  std::size_t reserve_of(void* data) const {
    if (owners_.empty()) return 0;
    const auto found = owners_.find(data);
    return found != owners_.end() ? found->second : 0;
  }

  void* fresh(std::size_t bytes, std::size_t reserve) {
    void* const data = from_device(bytes);
    if (reserve != 0) owners_.emplace(data, reserve);
    return data;
  }

  void* from_device(std::size_t bytes) {
    if (over_limit(bytes)) release_cached();
    if (over_limit(bytes)) {
      throw MemoryError("[allocate] " + std::to_string(bytes) + " bytes more would pass the limit of " +
                        std::to_string(limit_) + " bytes on " + device_.to_string() +
                        " (active: " + std::to_string(active_) + ")");
    }
    ++system_allocations_;
    try {
      return backend(device_).allocate(bytes);
    } catch (const MemoryError&) {
      if (cached_ == 0) throw;
    }
    // The device is full, partly of cached blocks of other sizes. Releasing them is safe while a step is recorded: the
    // step's blocks belong to its pool, and the device finishes its work before it takes memory back.
    release_cached();
    ++system_allocations_;
    return backend(device_).allocate(bytes);
  }

  void release_cached() {
    if (cached_ == 0) return;
    backend(device_).drain();
    give_back(unsettled_);
    for (auto& classes : free_) {
      for (auto& blocks : classes) give_back(blocks);
    }
    cached_ = 0;
  }

  void give_back(std::vector<void*>& blocks) {
    for (void* const data : blocks) {
      owners_.erase(data);
      backend(device_).free(data, 0);
    }
    blocks.clear();
  }

  Device device_;
  LightMutex mutex_;
  std::size_t limit_ = 0;
  std::vector<std::array<std::vector<void*>, kClasses>> free_{1};  // by reserve
  std::vector<void*> unsettled_;  // freed while a step was recorded, perhaps still read: given back to the device only
  std::vector<std::size_t> closed_;                // numbers of reserves that have ended
  std::unordered_map<void*, std::size_t> owners_;  // the reserve of each block that is not shared
};

constexpr std::int16_t kMaxCudaDevices = 16;

// Never destroyed: tensors with static lifetime may be freed after any other static object.
[[gnu::noinline]] CachingAllocator& cuda_allocator(Device device) {
  static auto& cuda = *[] {
    auto* all = new std::vector<std::unique_ptr<CachingAllocator>>;
    for (std::int16_t i = 0; i < kMaxCudaDevices; ++i)
      all->push_back(std::make_unique<CachingAllocator>(Device::cuda(i)));
    return all;
  }();
  if (device.index < 0 || device.index >= kMaxCudaDevices)
    throw DeviceError("[memory] expected a device number in 0..15, got " + device.to_string());
  return *cuda[static_cast<std::size_t>(device.index)];
}

CachingAllocator& allocator(Device device) {
  if (!device.is_cpu()) [[unlikely]]
    return cuda_allocator(device);
  static CachingAllocator& cpu = *new CachingAllocator(Device::cpu());
  return cpu;
}

}  // namespace

std::size_t active(Device d) {
  return allocator(d).locked([](auto& a) { return a.active_; });
}
std::size_t peak(Device d) {
  return allocator(d).locked([](auto& a) { return a.peak_; });
}
void reset_peak(Device d) {
  allocator(d).locked([](auto& a) { return a.peak_ = a.active_; });
}
std::size_t cached(Device d) {
  return allocator(d).locked([](auto& a) { return a.cached_; });
}
std::uint64_t system_allocations(Device d) {
  return allocator(d).locked([](auto& a) { return a.system_allocations_; });
}
void empty_cache(Device d) { allocator(d).empty_cache(); }
void set_limit(std::size_t bytes, Device d) { allocator(d).set_limit(bytes); }
std::size_t available(Device d) { return allocator(d).available(); }

Reserve::Reserve(Device device) : device_(device) {
  if (own_reserve.number != 0) {
    throw StateError("[memory] expected a thread without a reserve, got one that has its own on " +
                     own_reserve.device.to_string());
  }
  own_reserve = {device, allocator(device).open_reserve()};
}
Reserve::~Reserve() { allocator(device_).close_reserve(std::exchange(own_reserve, {}).number); }

void* allocate(std::size_t size, Device device) {
  if (size > kMaxBytes) {
    throw MemoryError("[allocate] expected at most 2^56 bytes, got " + std::to_string(size) + " on " +
                      device.to_string());
  }
  return size == 0 ? nullptr : allocator(device).allocate(size);
}

void free(void* data, std::size_t size, Device device) noexcept {
  if (data != nullptr) allocator(device).free(data, size);
}

}  // namespace hop::memory
