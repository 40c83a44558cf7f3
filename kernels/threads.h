// How many threads a kernel uses, and which instruction set. The number of threads is a property of the calling thread,
// so that several workers of one process do not disturb each other. It is 1 by default: bits and speed never depend on
// a machine's core count.
#pragma once

#include <string_view>

namespace hop::kernels {

/// For kernels called by this thread, from now on. n >= 1; throws ConfigError otherwise.
void set_compute_threads(int n);
/// Also sets OpenMP's number of threads, and with it oneDNN's. A kernel that calls such a library asks here first.
int compute_threads();

/// The instruction set whose kernels run: "x86-64-v3" or "x86-64-v4". The highest of the two that the processor has;
/// HOP_ISA=v3 in the environment lowers it to v3. Read once. Throws DeviceError on a processor below v3, ConfigError
/// for another HOP_ISA.
std::string_view isa();

// fork(): OpenMP's threads stay behind in the parent. If the thread that forks ever computed on several threads, it
// computes on one thread in the child: compute_threads() is 1 there, and set_compute_threads(n > 1) throws StateError.
// A std::thread that the child starts may use any number. At the moment of the fork no other thread may be inside the
// library: the child would wait for ever for the locks that the other thread held.

}  // namespace hop::kernels
