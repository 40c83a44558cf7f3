// What a loop over registers reads and writes, told to a sanitizer row by row. A sanitizer looks at each access before
// loops are unrolled, so an array of registers stays in memory and the loop takes 20 times as long. A function that is
// marked HOP_TELLS_ROWS tells the rows that it touches instead. What it calls must be marked always_inline, lambdas
// too: the compiler keeps apart what a sanitizer sees and what it does not.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
extern "C" {
void __asan_loadN(const void* data, std::size_t bytes);  // both end the program if a byte may not be touched
void __asan_storeN(void* data, std::size_t bytes);
}
#define HOP_TELLS_ROWS __attribute__((no_sanitize("address")))
#elif defined(__SANITIZE_THREAD__)
extern "C" {
void __tsan_read_range(const void* data, std::size_t bytes);
void __tsan_write_range(void* data, std::size_t bytes);
}
#define HOP_TELLS_ROWS __attribute__((no_sanitize("thread")))
#else
#define HOP_TELLS_ROWS
#endif

namespace hop::kernels::HOP_ISA {

/// `count` values from `p` on are read now.
template <class T>
inline __attribute__((always_inline)) void tell_read([[maybe_unused]] const T* p, [[maybe_unused]] std::int64_t count) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_loadN(p, static_cast<std::size_t>(count) * sizeof(T));
#elif defined(__SANITIZE_THREAD__)
  __tsan_read_range(p, static_cast<std::size_t>(count) * sizeof(T));
#endif
}

/// `count` values from `p` on are written now, and read before if need be.
template <class T>
inline __attribute__((always_inline)) void tell_write([[maybe_unused]] T* p, [[maybe_unused]] std::int64_t count) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_storeN(p, static_cast<std::size_t>(count) * sizeof(T));
#elif defined(__SANITIZE_THREAD__)
  __tsan_write_range(p, static_cast<std::size_t>(count) * sizeof(T));
#endif
}

}  // namespace hop::kernels::HOP_ISA
