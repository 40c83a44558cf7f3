#include "kernels/cpu/parallel_internal.h"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace hop::kernels {
namespace {

// ThreadSanitizer does not see libgomp's barriers, so it is told of them: all that happened before a fork happened
// before the loop, and the loop before its join. One address serves all teams, because a thread of a team can read
// nothing of its own before it has passed the fork.
#ifdef __SANITIZE_THREAD__
char forks;
char joins;
void happened_before(char& edge) { __tsan_release(&edge); }
void happens_after(char& edge) { __tsan_acquire(&edge); }
#endif

}  // namespace

#ifdef __SANITIZE_THREAD__

// Not watched itself: the compiler hands n, run and context to the team in a struct that it fills after the fork.
[[gnu::no_sanitize("thread")]] void run_on_threads(int threads, std::int64_t n,
                                                   void (*run)(const void* context, std::int64_t i),
                                                   const void* context) {
  happened_before(forks);
#pragma omp parallel num_threads(threads)
  {
    happens_after(forks);
#pragma omp for schedule(static) nowait
    for (std::int64_t i = 0; i < n; ++i) run(context, i);
    happened_before(joins);
  }
  happens_after(joins);
}

#else

void run_on_threads(int threads, std::int64_t n, void (*run)(const void* context, std::int64_t i),
                    const void* context) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t i = 0; i < n; ++i) run(context, i);
}

#endif

}  // namespace hop::kernels
