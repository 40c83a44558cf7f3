#include <atomic>

#include "base/error.h"
#include "kernels/cpu/operations_internal.h"
#include "kernels/operations_internal.h"

namespace hop::kernels {
namespace {

std::atomic<const Operations*> cuda_operations = nullptr;

}  // namespace

const Operations& operations(Device device) {
  const MemoryPool* pool = MemoryPool::current();
  if (pool != nullptr && pool->device() != device) [[unlikely]] {
    throw StateError("[capture] an operation on " + device.to_string() + " while a step on " +
                     pool->device().to_string() + " is captured would not be replayed");
  }
  return operations(device.type);
}

const Operations& operations(DeviceType type) {
  if (type == DeviceType::cpu) return cpu::kOperations;
  const Operations* table = cuda_operations.load(std::memory_order_relaxed);
  if (table == nullptr) throw DeviceError("[device] this program has no cuda devices");
  return *table;
}

void register_operations(DeviceType type, const Operations& table) {
  if (type != DeviceType::cuda) throw DeviceError("[device] only cuda devices can be added");
  cuda_operations = &table;
}

}  // namespace hop::kernels
