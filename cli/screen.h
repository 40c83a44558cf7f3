// The output of a run on stderr, written by a separate thread, so that a terminal that nobody reads (Ctrl-S, a dead
// ssh, a full pipe) does not stop the run.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace hop::cli {

/// Takes lines from one thread and never makes it wait. Each notice is shown once, in order. New progress replaces
/// progress that has not been shown yet. The destructor writes the remaining lines within a second, or drops them.
class Screen {
 public:
  /// `repaints`: progress is a block at the bottom of a terminal, repainted at each change; otherwise plain lines.
  /// `descriptor` is stderr, except in tests.
  explicit Screen(bool repaints, int descriptor = 2);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void show(std::vector<std::string> lines);
  void notice(std::string line);

 private:
  struct Shared;
  static void write_on(const std::shared_ptr<Shared>& shared);
  std::shared_ptr<Shared> shared_;
};

}  // namespace hop::cli
