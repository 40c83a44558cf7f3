// What a run shows on stderr, written by a thread of its own: a terminal that nobody reads (Ctrl-S, a dead ssh, a full
// pipe) stops no run.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace hop::cli {

/// Takes lines from one thread and never makes it wait. Notices are shown once each, in order; of progress, what was
/// not shown yet is replaced by the next. When it dies, what is left is written within a second or not at all.
class Screen {
 public:
  /// `repaints`: progress is a block at the bottom of a terminal, painted over at each change; else plain lines.
  /// `descriptor` is stderr but in tests.
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
