// How many threads a kernel uses. A property of the calling thread, so that several workers of one process do not disturb
// each other. The default is 1: bits and speed never depend on the core count of a machine.
#pragma once

#include <cstdint>
#include <string_view>

namespace hop::kernels {

/// For kernels called by this thread, from now on. n >= 1; throws ConfigError otherwise.
void set_compute_threads(int n);
int compute_threads();

/// The instruction set whose kernels run: "x86-64-v3" or "x86-64-v4". The highest that the processor has, or what
/// HOP_ISA=v3 in the environment lowers it to. Throws DeviceError on a processor below v3.
std::string_view isa();

}  // namespace hop::kernels
