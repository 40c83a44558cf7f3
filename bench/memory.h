// The memory that training takes, as the kernel counts it for this process: the same measure for every library.
// bench/peers/pytorch.py has it again.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "bench/serve.h"

namespace hop::bench {

/// A line of /proc/self/status, in bytes: "VmRSS" now, "VmHWM" at its highest. 0 if it is not there.
inline double status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kilobytes = 0;
  while (status >> word) {
    if (word == field + ":" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

/// `what`: memory NET OPTIMIZER BATCH VARIANT. How far the process grows above its size before the net was made.
/// Another small net is trained first: the code that any training loads does not count. For a process that has done
/// nothing.
inline Work peak_memory(const Workshop& training, std::vector<std::string> what) {
  training({"train", "lenet", "adam", "1", "eager"})(2);
  const double before = status_bytes("VmRSS");
  what.at(0) = "train";
  training(what)(3);
  const double bytes = status_bytes("VmHWM") - before;
  return [bytes](int) { return bytes; };
}

}  // namespace hop::bench
