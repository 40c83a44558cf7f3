#include "base/process_usage.h"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace hop {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// getrusage() would also count what the starting process had at exec.
std::uint64_t peak_of_status() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (std::uint64_t kilobytes = 0; word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace

ProcessUsage usage_of_process() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const std::uint64_t peak = peak_of_status();
  const std::uint64_t otherwise = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // where /proc is missing
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime), peak != 0 ? peak : otherwise};
}

double cpu_seconds_of_children() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace hop
