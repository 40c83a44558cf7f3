// Random numbers for the CPU loops, many counters at once. Shared by the two builds of kernels/cpu/isa/.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

/// The fields of hop::RandomAddress, as plain data.
struct Address {
  std::uint64_t key;
  std::uint64_t step;
  std::uint32_t draw;
};

// words[i] = word `first + i` of the address, first % 4 == 0.
// uniform: y[i] = low + u (high - low), below high, with u the 24 high bits of that word.
// dropout: y[i] = x[i] * scale where u >= p, else 0.
HOP_EACH_ISA(void random_words(Address address, std::uint64_t first, std::uint32_t* words, std::int64_t n);
             void uniform(Address address, std::uint64_t first, float low, float high, float* y, std::int64_t n);
             void dropout(Address address, std::uint64_t first, float p, float scale, const float* x, float* y,
                          std::int64_t n);
             void dropout(Address address, std::uint64_t first, float p, double scale, const double* x, double* y,
                          std::int64_t n);)

}  // namespace hop::kernels
