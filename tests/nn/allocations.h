// Counts what this thread asks of operator new, and refuses it, in the whole test program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hop::nn::testing {

/// Calls of operator new by this thread so far.
std::uint64_t heap_allocations();

/// The next call by this thread for just so many bytes throws std::bad_alloc.
void refuse_allocation(std::size_t size);

}  // namespace hop::nn::testing
