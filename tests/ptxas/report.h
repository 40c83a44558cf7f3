// The report of ptxas about each kernel (-Xptxas -v), read from the files that cmake/nvcc_with_report.sh keeps.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hop::ptxas {

/// One kernel for one architecture.
struct Kernel {
  std::string name;  ///< demangled, without its arguments
  std::string arch;  ///< "sm_90"
  int registers = 0;
  int shared_bytes = 0;  ///< static
  int stack_bytes = 0;
  int spill_bytes = 0;  ///< stores and loads
};

/// The kernels of one report. Throws std::runtime_error where a kernel's lines are not complete.
std::vector<Kernel> parse(std::string_view report);

/// A kernel that may have a stack frame, and why that is right.
struct Allowance {
  std::string_view name;  ///< a part of the kernel's name
  int stack_bytes;        ///< at most
  std::string_view reason;
};

/// One line for each kernel that spills, or that has a stack frame without an allowance.
std::vector<std::string> complaints(const std::vector<Kernel>& kernels, const std::vector<Allowance>& allowed);

/// One line per kernel: name, then registers / shared bytes for each architecture.
std::string table(const std::vector<Kernel>& kernels);

}  // namespace hop::ptxas
