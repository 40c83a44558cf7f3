// The host's half of the fault word; see fault.h.
#pragma once

#include <cstdint>

namespace hop::kernels::cuda {

enum class Fault : std::uint8_t {
  none,
  cross_entropy,
  gather,
  scatter_add,
  index_select,
  index_add,
  max_pool2d_grad,
  max_pool2d_gather,
};

/// A note is fault * kFaultPositions + (kFaultPositions - 1 - position).
inline constexpr std::uint64_t kFaultPositions = std::uint64_t{1} << 56;

/// The current device's word, as kernels see it: pinned host memory, so that reading it costs the host no copy.
unsigned long long* fault_word();

/// Throws the IndexError that `word` holds, if it holds one, and clears it. For the host, after the device has
/// finished.
void throw_fault(unsigned long long& word);

}  // namespace hop::kernels::cuda
