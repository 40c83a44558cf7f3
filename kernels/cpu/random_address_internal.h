// From a random address to the plain one that loops take. Not for sources under kernels/cpu/isa/, which know no
// RandomAddress.
#pragma once

#include "kernels/cpu/random_internal.h"
#include "tensor/random.h"

namespace hop::kernels::cpu {

/// The address at the moment that the numbers are made: a captured step is replayed for other steps and other models.
inline Address now(const RandomAddress& address) {
  return {address.key_at != nullptr ? *address.key_at : address.key,
          address.step_at != nullptr ? static_cast<std::uint64_t>(*address.step_at) : address.step, address.draw};
}

}  // namespace hop::kernels::cpu
