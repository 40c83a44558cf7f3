#include "autograd/rerun.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/copy.h"

namespace hop::autograd {
namespace {

constinit thread_local RunScope* innermost = nullptr;

bool is_same_part(const Tensor& a, const Tensor& b) {
  return a.storage() == b.storage() && a.storage_offset() == b.storage_offset() && a.shape() == b.shape() &&
         a.strides() == b.strides();
}

}  // namespace

RunScope::RunScope(RunLog* fills, const RunLog* follows) : fills_(fills), follows_(follows), outer_(innermost) {
  innermost = this;
}
RunScope::~RunScope() { innermost = outer_; }

RunScope* RunScope::followed(RunScope* run) {
  while (run != nullptr && run->follows_ == nullptr) run = run->outer_;
  return run;
}

// An inner first run within a second run takes its addresses from that second run, and logs them for its own second
// run. An outer first run around a second run does not log the draws of the second run: when the outer run is repeated,
// the inner second run follows the same log again.
RandomAddress drawn(RandomAddress (*draw)(void*), void* argument) {
  RunScope* run = RunScope::followed(innermost);
  if (run != nullptr && run->next_draw_ == run->follows_->drawn.size()) {
    throw AutogradError(
        "[checkpoint] expected a function that does the same each time, got one that draws more random "
        "numbers in its second run (" +
        std::to_string(run->next_draw_) + " draws in the first)");
  }
  const RandomAddress address = run == nullptr ? draw(argument) : run->follows_->drawn[run->next_draw_++];
  for (const RunScope* inner = innermost; inner != run; inner = inner->outer_) inner->fills_->drawn.push_back(address);
  return address;
}

bool decided(bool answer) {
  if (innermost == nullptr) return answer;
  RunScope* run = RunScope::followed(innermost);
  if (run != nullptr && run->next_decision_ < run->follows_->decided.size())
    answer = run->follows_->decided[run->next_decision_++];
  for (const RunScope* inner = innermost; inner != run; inner = inner->outer_) inner->fills_->decided.push_back(answer);
  return answer;
}

std::shared_ptr<void> chosen(std::shared_ptr<void> object) {
  if (innermost == nullptr) return object;
  RunScope* run = RunScope::followed(innermost);
  if (run != nullptr && run->next_choice_ < run->follows_->chosen.size())
    object = run->follows_->chosen[run->next_choice_++];
  for (const RunScope* inner = innermost; inner != run; inner = inner->outer_) inner->fills_->chosen.push_back(object);
  return object;
}

void note_write(const Tensor& y) {
  if (innermost == nullptr || !y.defined() || !y.storage().is_state()) return;
  for (const RunScope* run = innermost; run != nullptr && run->fills_ != nullptr; run = run->outer_) {
    std::vector<RunLog::Write>& writes = run->fills_->writes;
    const auto is_noted = [&](const RunLog::Write& write) { return is_same_part(write.state, y); };
    if (std::none_of(writes.begin(), writes.end(), is_noted)) writes.push_back({y, kernels::clone(y)});
  }
}

StateBefore::StateBefore(const RunLog& log) {
  for (const RunLog::Write& write : log.writes) now_.push_back({write.state, kernels::clone(write.state)});
  // Writes may overlap, so the first one is restored last.
  for (auto write = log.writes.rbegin(); write != log.writes.rend(); ++write)
    kernels::copy_(write->state, write->before);
}

// The copies cannot fail for their shapes. If the device is lost, the state is lost as well.
StateBefore::~StateBefore() {
  try {
    for (const RunLog::Write& write : now_) kernels::copy_(write.state, write.before);
  } catch (const Error&) {
  }
}

}  // namespace hop::autograd
