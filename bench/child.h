// A process that answers lines with lines: one side of a comparison (serve.h has the protocol).
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/error.h"

namespace hop::bench {

/// A side does not start, ends early, or cannot do its task.
struct SideError : Error {
  using Error::Error;
};

/// The time of a run, per repetition, and the value that the last repetition computed.
struct Timing {
  double seconds = 0;
  double cpu_seconds = 0;  ///< of the process: below `seconds` it was disturbed, or waited
  double value = 0;        ///< the last repetition's
};

class Child {
 public:
  /// Starts `command` and reads its name. Throws SideError when it cannot be started or says nothing.
  explicit Child(const std::vector<std::string>& command);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  const std::string& name() const { return name_; }

  /// Throws SideError with the side's own words when the answer is "no".
  std::string ask(const std::string& question);
  /// `ask` in two halves, so that two processes can work at once.
  void tell(const std::string& question);
  std::string answer();

  /// Prepares work under a number of the child's own choosing.
  int load(const std::string& what);
  void drop(int slot);
  void start(int slot, int repetitions);
  Timing finish(int repetitions);

 private:
  pid_t pid_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  std::string name_;
  int slots_ = 0;
};

}  // namespace hop::bench
