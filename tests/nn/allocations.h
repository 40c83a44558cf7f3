// Counts what this thread asks of operator new, in the whole test program.
#pragma once

#include <cstdint>

namespace hop::nn::testing {

/// Calls of operator new by this thread so far.
std::uint64_t heap_allocations();

}  // namespace hop::nn::testing
