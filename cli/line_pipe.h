// Lines for another program, written to a descriptor by a separate thread: a slow reader does not stop the run.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace hop::cli {

/// Takes lines from one thread and never makes it wait. Every line is written once, in order; only a line of `latest`
/// is replaced by the next one while it waits. The destructor returns when all is written, or when nobody can read it.
class LinePipe {
 public:
  /// `descriptor` is open for writing. Children do not get it. `on_gone` is called once, on another thread, if the
  /// reader is gone before the end.
  LinePipe(int descriptor, std::function<void()> on_gone);
  ~LinePipe();
  LinePipe(const LinePipe&) = delete;
  LinePipe& operator=(const LinePipe&) = delete;

  void write(std::string line);
  void latest(std::string line);

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace hop::cli
