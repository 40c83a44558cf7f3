// What this process has used of the machine so far.
#pragma once

#include <cstdint>

namespace hop {

struct ProcessUsage {
  double cpu_seconds = 0;        ///< of all its threads, in the program and in the kernel
  std::uint64_t peak_bytes = 0;  ///< the most memory that was resident
};

/// Of all threads of this process since it began its program: memory of a process that started it does not count.
ProcessUsage usage_of_process();

/// Processor seconds of the children of this process that have ended and were waited for, and of their children.
double cpu_seconds_of_children();

}  // namespace hop
