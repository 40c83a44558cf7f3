// Watches what the library allocates for buffers (everything on a 64-byte boundary), for this whole test program.
#pragma once

#include <cstddef>

namespace hop::net::testing {

/// The largest aligned allocation, in bytes, since the last `forget_allocations`.
std::size_t largest_allocation();
void forget_allocations();

}  // namespace hop::net::testing
