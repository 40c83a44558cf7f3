// A random word as a number. Only for sources under kernels/cpu/isa/ (see isa_internal.h).
#pragma once

#include <cstdint>

#include "kernels/cpu/isa/pack.h"

namespace hop::kernels::HOP_ISA {

/// In [0, 1): the 24 high bits of the word, as tensor/random.h has it. Of a signed integer, which v3 converts in one
/// instruction.
HOP_INLINE float uniform01(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 0x1p-24F;
}

}  // namespace hop::kernels::HOP_ISA
