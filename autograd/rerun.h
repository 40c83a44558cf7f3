// Functions that run twice (checkpoint): the second run must compute what the first one did, and leave no other trace.
// The log of the first run holds the random addresses that modules drew, the modes that they asked for, and the modules
// that ran in the place of others. The second run takes all of these from the log. The log also holds the values that a
// module's state (running statistics) had before the first run wrote to it. The second run starts from these values,
// and the newer ones are restored afterwards.
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
  const RunLog* follows_;  // set in a second run
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
/// An object that the host chose: in a second run the object that the first run chose, otherwise `object`.
std::shared_ptr<void> chosen(std::shared_ptr<void> object);
/// To be called before `y` is written in place.
void note_write(const Tensor& y);

}  // namespace hop::autograd
