// The seam between the definition of an operation and its computation on a device. The shape rules
// (kernels/softmax.cpp, ..) check the operands, allocate the results and then call
// operations<SoftmaxOperations>(x).softmax(..).
//
// Each stem has a table of its own, a struct in kernels/<stem>_operations.h with two constants: `cpu`, at the end of
// cpu/<stem>.cpp, and `cuda`, at the end of cuda/<stem>.cu. A stem knows no other stem. Programs with CUDA add the
// latter in cuda/operations.cpp, a line per stem.
//
// For every entry, unless its comment says otherwise: operands are defined, checked and on one device; results are
// allocated and contiguous and have elements. An entry plans (chooses loops, allocates scratch) and hands its work to
// the device: on the CPU through launch() of capture_internal.h, on CUDA through the current stream. So a captured step
// binds addresses only, and values that change from step to step are read from memory when the work runs.
#pragma once

#include <atomic>

#include "tensor/tensor.h"

namespace hop::kernels {

/// Table::cuda, or null in a program without CUDA.
template <class Table>
inline constinit std::atomic<const Table*> cuda_table = nullptr;

/// Throws StateError unless the step that the calling thread captures is of this device.
[[gnu::cold]] void expect_captured_on(Device device);
/// Throws DeviceError.
[[noreturn]] void throw_no_cuda();

/// The stem's table for work on `device`. Throws DeviceError for a type that this program lacks, StateError while a
/// step of another device is captured.
template <class Table>
const Table& operations(Device device) {
  if (hop::detail::collecting != nullptr) [[unlikely]]
    expect_captured_on(device);
  if (device.is_cpu()) return Table::cpu;
  const Table* table = cuda_table<Table>.load(std::memory_order_relaxed);
  if (table == nullptr) throw_no_cuda();
  return *table;
}
template <class Table>
const Table& operations(const Tensor& x) {
  return operations<Table>(x.device());
}

}  // namespace hop::kernels
