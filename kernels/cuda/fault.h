// The fault word: how a kernel reports a label or an index outside its range. A kernel cannot throw, and a host that
// waited for every launch would be slow. So the kernel skips the element and leaves a note in a 64-bit word. The thread
// that launched the kernel throws the IndexError when it next waits for the device.
#pragma once

#include <cstdint>

#include "kernels/cuda/fault_internal.h"
#include "kernels/cuda/language.h"

namespace hop::kernels::cuda {

/// Notes that the value at `position` of the operation's index (or labels) is out of range. Of several notes an integer
/// maximum keeps the one with the highest operation, then the lowest position, so the message is the same in every run.
__device__ inline void report(const Fault& fault, std::uint64_t position) {
  atomicMax(fault.word, static_cast<unsigned long long>(fault.operation * kFaultPositions |
                                                        (kFaultPositions - 1 - position % kFaultPositions)));
}

}  // namespace hop::kernels::cuda
