// A fiber: a separate stack, and a switch to it without the operating system. Twelve instructions on x86-64 (40 to 60
// ns a turn, measured). Elsewhere ucontext, which is ten times slower because it asks the kernel for the signal mask.
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

  /// Switches to `next`. Returns when another fiber switches back to this one, which must be the running fiber. Orders
  /// no memory for ThreadSanitizer.
  void switch_to(Fiber& next);
  /// The fiber's name in ThreadSanitizer's reports.
  void set_name(const char* name);

 private:
  [[noreturn]] static void start();

  static constexpr std::size_t kStackBytes = std::size_t{256} << 10U;  // only touched pages take memory
  void (*entry_)() = nullptr;
  std::byte* stack_ = nullptr;  // with a guard page below that traps overflow
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

/// While one lives, ThreadSanitizer does not watch: a race check should not see the scheduler's own state.
class Unwatched {
 public:
  Unwatched();
  ~Unwatched();
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

/// For ThreadSanitizer: code before release(token) happens before code after acquire(token).
void release(char* token);
void acquire(char* token);

}  // namespace hop::simt
