#include "tensor/backend.h"

#include <atomic>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "base/error.h"

namespace hop {
namespace {

class CpuBackend final : public Backend {
 public:
  void* allocate(std::size_t size) override {
    void* data = allocate_block(size);
    if (data == nullptr) throw MemoryError("[allocate] the system has no " + std::to_string(size) + " bytes left");
    return data;
  }
  void free(void* data, std::size_t) noexcept override { free_block(data); }
  void copy(void* to, const void* from, std::size_t size) override { std::memcpy(to, from, size); }
  void zero(void* data, std::size_t size) override { std::memset(data, 0, size); }
  void synchronize() override {}
};

// One entry per type behind the CPU. Atomic: a program may register a type while other threads compute on the CPU.
using BackendOf = Backend& (*)(std::int16_t index);
std::atomic<BackendOf> cuda_backends = nullptr;

}  // namespace

Fence Backend::upload(void* to, const void* from, std::size_t size, const Fence& after) {
  return copy_beside(Way::to_device, to, from, size, after);
}

Fence Backend::download(void* to, const void* from, std::size_t size, const Fence& after) {
  return copy_beside(Way::to_host, to, from, size, after);
}

// If begin_copy() throws, the copy may be running without a fence. It ends here: nobody else could wait for it before
// its bytes are freed.
Fence Backend::copy_beside(Way way, void* to, const void* from, std::size_t size, const Fence& after) {
  try {
    return begin_copy(way, to, from, size, after);
  } catch (...) {
    discard_faults();  // waits for the device
    throw;
  }
}

Fence Backend::begin_copy(Way, void* to, const void* from, std::size_t size, const Fence& after) {
  after.wait();
  copy(to, from, size);
  return {};
}

std::size_t Backend::free_bytes() { return std::numeric_limits<std::size_t>::max(); }

Backend& backend(Device device) {
  static CpuBackend cpu;
  if (device.is_cpu()) return cpu;
  const BackendOf of = cuda_backends.load();
  if (of == nullptr) throw DeviceError("[backend] this program has no device " + device.to_string());
  return of(device.index);
}

int device_count(DeviceType type) {
  if (type == DeviceType::cpu) return 1;
  const BackendOf of = cuda_backends.load();
  std::int16_t count = 0;
  try {
    while (of != nullptr) {
      static_cast<void>(of(count));
      ++count;
    }
  } catch (const DeviceError&) {  // this device is not there
  }
  return count;
}

void register_backend(DeviceType type, BackendOf of) {
  if (type != DeviceType::cuda) throw DeviceError("[backend] only cuda devices can be added");
  cuda_backends = of;
}

}  // namespace hop
