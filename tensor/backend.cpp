#include "tensor/backend.h"

#include <cstring>
#include <new>

#include "base/bytes.h"
#include "base/error.h"

namespace hop {
namespace {

class CpuBackend final : public Backend {
 public:
  void* allocate(std::size_t size) override {
    void* data = ::operator new (align_up(size), std::align_val_t{kAlignment}, std::nothrow);
    if (data == nullptr) throw MemoryError("[allocate] the system has no " + std::to_string(size) + " bytes left");
    return data;
  }
  void free(void* data, std::size_t) noexcept override { ::operator delete (data, std::align_val_t{kAlignment}); }
  void copy(void* to, const void* from, std::size_t size) override { std::memcpy(to, from, size); }
  void synchronize() override {}
};

}  // namespace

Backend& backend(Device device) {
  static CpuBackend cpu;
  if (device.is_cpu()) return cpu;
  throw DeviceError("[backend] this build has no device " + device.to_string());
}

}  // namespace hop
