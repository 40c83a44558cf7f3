#include "kernels/threads.h"

#include <omp.h>
#include <pthread.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {
namespace {

bool has_v3() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
         __builtin_cpu_supports("bmi") != 0 && __builtin_cpu_supports("bmi2") != 0;
}

bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512cd") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0;
}

Isa choose_isa() {
  if (!has_v3()) throw DeviceError("[isa] expected a processor with AVX2 and FMA (x86-64-v3), got an older one");
  const char* wish = std::getenv("HOP_ISA");
  const std::string_view text = wish == nullptr ? "" : wish;
  if (text == "v3") return Isa::v3;
  if (!text.empty() && text != "v4")
    throw ConfigError("[isa] expected HOP_ISA=v3 or v4, got \"" + std::string(text) + "\"");
  return has_v4() ? Isa::v4 : Isa::v3;
}

// OpenMP keeps its own number per thread, which starts at the core count. The first look at our number sets both.
struct ComputeThreads {
  ComputeThreads() { set(1); }
  void set(int n) {
    omp_set_num_threads(n);
    count = n;
    had_several |= n > 1;
  }
  int count = 1;
  bool had_several = false;  // OpenMP may have started threads for this thread, and from then on relies on them
  bool is_left_alone = false;
};
thread_local ComputeThreads threads;

// Runs in the child of a fork, on the thread that forked, which is the only one there. Its OpenMP team is gone.
void leave_alone() {
  if (!threads.had_several) return;
  threads.set(1);
  threads.is_left_alone = true;
}

}  // namespace

void set_compute_threads(int n) {
  if (n < 1) throw ConfigError("[set_compute_threads] expected at least 1 thread, got " + std::to_string(n));
  if (n > 1) {
    if (threads.is_left_alone) {
      throw StateError(
          "[set_compute_threads] expected 1 thread in a process that was forked after a computation on "
          "several, got " +
          std::to_string(n));
    }
    static const int watching_forks = pthread_atfork(nullptr, nullptr, leave_alone);
    if (watching_forks != 0) throw Error("[set_compute_threads] expected room for a fork handler, got none");
  }
  threads.set(n);
}

int compute_threads() { return threads.count; }

Isa current_isa() {
  static const Isa chosen = choose_isa();
  return chosen;
}

std::string_view isa() { return current_isa() == Isa::v4 ? "x86-64-v4" : "x86-64-v3"; }

}  // namespace hop::kernels
