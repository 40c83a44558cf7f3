// Recording on the CPU: the launches of one run, kept in order.
#include <algorithm>
#include <optional>

#include "kernels/capture_internal.h"
#include "kernels/capture_operations.h"

namespace hop::kernels {

constinit thread_local CallList* recording = nullptr;

std::optional<std::size_t> calls_so_far() {
  return recording == nullptr ? std::nullopt : std::optional(recording->size());
}

void CallList::clear() {
  for (const Call& call : calls_) {
    if (call.destroy != nullptr) call.destroy(call.closure);
  }
  calls_.clear();
  blocks_.clear();
  left_ = 0;
}

void* CallList::reserve(std::size_t size) {
  const std::size_t units = (size + kUnit - 1) / kUnit;
  if (units > left_) {
    left_ = std::max(units, kBlock / kUnit);
    blocks_.push_back(std::make_unique<Unit[]>(left_));
    next_ = blocks_.back().get();
  }
  left_ -= units;
  return std::exchange(next_, next_ + units);
}

namespace cpu {
namespace {

class RecordedCalls final : public Recording::Calls {
 public:
  CallList calls;
  void replay() override { calls.run(); }
  void replay_part(std::size_t begin, std::size_t end) override { calls.run(begin, end); }
  std::size_t size() const override { return calls.size(); }
};

// While it lives, launch() adds to `calls`.
class CallRecorder {
 public:
  explicit CallRecorder(CallList& calls) { recording = &calls; }
  ~CallRecorder() { recording = nullptr; }
  CallRecorder(const CallRecorder&) = delete;
  CallRecorder& operator=(const CallRecorder&) = delete;
};

std::unique_ptr<Recording::Calls> capture(Device, const std::function<void()>& work) {
  auto recorded = std::make_unique<RecordedCalls>();
  const CallRecorder recorder(recorded->calls);
  work();
  return recorded;
}

}  // namespace
}  // namespace cpu

const CaptureOperations CaptureOperations::cpu = {.capture = cpu::capture};

}  // namespace hop::kernels
