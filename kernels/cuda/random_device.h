// Random addresses (tensor/random.h) in kernels.
#pragma once

#include "kernels/cuda/language.h"
#include "tensor/random.h"

namespace hop::kernels::cuda {

/// The address at the moment that the kernel runs: a captured step is replayed for other steps and other models.
__device__ inline RandomAddress now(RandomAddress address) {
  if (address.key_at != nullptr) address.key = *address.key_at;
  if (address.step_at != nullptr) address.step = static_cast<std::uint64_t>(*address.step_at);
  return address;
}

/// The word of element i. Its Philox block has three others.
__device__ inline std::uint32_t word_of(const RandomAddress& address, std::uint64_t i) {
  const std::array<std::uint32_t, 4> words = address.words(i / 4);
  const std::uint32_t low = i % 2 == 0 ? words[0] : words[1], high = i % 2 == 0 ? words[2] : words[3];
  return i % 4 < 2 ? low : high;  // an index that only the kernel knows would put the words into local memory
}

}  // namespace hop::kernels::cuda
