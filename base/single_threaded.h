// Whether counts and locks need atomic instructions at all.
#pragma once

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

namespace hop {

/// Whether the C library knows that this thread is the only one of the process. False if the C library does not tell.
/// An atomic instruction costs some twenty cycles, a plain one costs one: without it, an operation on 16 elements takes
/// a quarter longer (the rows operation/.. of the benchmarks).
inline bool is_single_threaded() noexcept {
#if __has_include(<sys/single_threaded.h>)
  return __libc_single_threaded != 0;
#else
  return false;
#endif
}

}  // namespace hop
