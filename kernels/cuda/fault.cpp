#include "kernels/cuda/fault_internal.h"

#include <array>
#include <atomic>
#include <string>

#include "base/error.h"

namespace hop::kernels::cuda {

void throw_fault(unsigned long long& word) {
  const std::uint64_t note = std::atomic_ref(word).exchange(0);
  if (note == 0) return;
  static constexpr std::array kOperations = {
      "",          "cross_entropy",   "gather",           "scatter_add", "index_select",
      "index_add", "max_pool2d_grad", "max_pool2d_gather"};
  const std::uint64_t position = kFaultPositions - 1 - note % kFaultPositions;
  throw IndexError("[" + std::string(kOperations.at(note / kFaultPositions)) +
                   "] expected indices inside their dimension, got another at position " + std::to_string(position) +
                   " (found when the device was waited for)");
}

}  // namespace hop::kernels::cuda
