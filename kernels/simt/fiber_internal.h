// A fiber: a stack of its own that is switched to by hand. Twelve instructions on x86-64 (40 to 60 ns a turn,
// measured); ucontext elsewhere, ten times slower because it asks the kernel for the signal mask.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace hop::simt {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kRaceCheck = true;
#else
inline constexpr bool kRaceCheck = false;
#endif

class Fiber {
 public:
  Fiber();                          ///< the calling OS thread's own stack
  explicit Fiber(void (*entry)());  ///< a new stack; `entry` runs at the first switch and never returns
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Goes on with `next`; returns when somebody switches back to this fiber, which must be the running one. Orders no
  /// memory for ThreadSanitizer.
  void switch_to(Fiber& next);
  /// What ThreadSanitizer calls it in its reports.
  void set_name(const char* name);

 private:
  [[noreturn]] static void start();

  static constexpr std::size_t kStackBytes = std::size_t{256} << 10U;  // touched pages only count
  void (*entry_)() = nullptr;
  std::byte* stack_ = nullptr;  // with one page below that traps overflow
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_{};
#endif
  const void* bottom_ = nullptr;  // for AddressSanitizer
  std::size_t size_ = 0;
  void* fake_stack_ = nullptr;
  void* race_state_ = nullptr;  // ThreadSanitizer's
};

/// While one lives, ThreadSanitizer does not look: the scheduler's own state is no business of a race check.
class Unwatched {
 public:
  Unwatched();
  ~Unwatched();
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

/// For ThreadSanitizer: what came before release(token) happens before what comes after acquire(token).
void release(char* token);
void acquire(char* token);

}  // namespace hop::simt
