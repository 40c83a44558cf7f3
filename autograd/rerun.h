// Functions that run twice (checkpoint): the second run must compute what the first one did, and leave no other trace.
// So the random addresses that modules draw in the first run, the modes that they ask for, and the modules that are run
// in the place of others, are kept for the second; what the first run finds in a module's state (running statistics)
// before it writes there lies there again for the second, and is taken back afterwards.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop::autograd {

/// The record of the first run.
struct RunLog {
  struct Write {
    Tensor state;   // the written handle: the tensor or a view of it
    Tensor before;  // its values
  };
  std::vector<RandomAddress> drawn{};
  std::vector<bool> decided{};
  std::vector<std::shared_ptr<void>> chosen{};
  std::vector<Write> writes{};
};

/// A run on this thread. Runs nest: a function may contain another that runs twice.
class RunScope {
 public:
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;
  ~RunScope();

 protected:
  RunScope(RunLog* fills, const RunLog* follows);

 private:
  /// The innermost second run, from `run` outwards; null if there is none.
  static RunScope* followed(RunScope* run);
  friend RandomAddress drawn(RandomAddress (*draw)(void*), void* argument);
  friend bool decided(bool answer);
  friend std::shared_ptr<void> chosen(std::shared_ptr<void> object);
  friend void note_write(const Tensor& y);

  RunLog* fills_;          // the first run's
  const RunLog* follows_;  // the second run's
  std::size_t next_draw_ = 0, next_decision_ = 0, next_choice_ = 0;
  RunScope* outer_;
};

struct FirstRun : RunScope {
  explicit FirstRun(RunLog& log) : RunScope(&log, nullptr) {}
};
struct SecondRun : RunScope {
  explicit SecondRun(const RunLog& log) : RunScope(nullptr, &log) {}
};

/// While alive, the state that a first run wrote has the values from before that run.
class StateBefore {
 public:
  explicit StateBefore(const RunLog& log);
  StateBefore(const StateBefore&) = delete;
  StateBefore& operator=(const StateBefore&) = delete;
  ~StateBefore();

 private:
  std::vector<RunLog::Write> now_;
};

/// A random address: in a second run the one that the first run drew here, otherwise draw(argument). Throws
/// AutogradError if the second run draws more often than the first.
RandomAddress drawn(RandomAddress (*draw)(void*), void* argument);
/// An answer of the host: in a second run that of the first run, otherwise `answer`.
bool decided(bool answer);
/// An object that the host chose: in a second run the first run's, else `object`.
std::shared_ptr<void> chosen(std::shared_ptr<void> object);
/// To be called before `y` is written in place.
void note_write(const Tensor& y);

}  // namespace hop::autograd
