// How many threads a kernel uses, and which instruction set. The number of threads is a property of the calling thread,
// so that several workers of one process do not disturb each other. The default is 1: bits and speed never depend on
// the core count of a machine.
#pragma once

#include <string_view>

namespace hop::kernels {

/// For kernels called by this thread, from now on. n >= 1; throws ConfigError otherwise.
void set_compute_threads(int n);
/// Also makes sure that OpenMP, and so oneDNN, uses that many: a kernel that calls such a library asks here first.
int compute_threads();

/// The instruction set whose kernels run: "x86-64-v3" or "x86-64-v4". The highest that the processor has, or what
/// HOP_ISA=v3 in the environment lowers it to; read once. Throws DeviceError on a processor below v3, ConfigError for
/// another HOP_ISA.
std::string_view isa();

// fork(): OpenMP's threads stay behind in the parent. In the child, the thread that forked computes on one thread if it
// ever computed on several: compute_threads() is 1 there, and set_compute_threads(n > 1) throws StateError. A
// std::thread that the child starts may use as many as it likes. No other thread may be inside the library at the
// moment of the fork: the child would wait for ever for the locks that it held.

}  // namespace hop::kernels
