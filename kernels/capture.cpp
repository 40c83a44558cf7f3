#include "kernels/capture.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/capture_operations.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/threads.h"
#include "tensor/autograd_slot.h"

namespace hop {
namespace {

constexpr std::size_t kRecordingsOfOneWork = 4;
constexpr std::uint64_t kRecordingsOnTrial = 4;
constexpr std::uint64_t kCallsPerTrial = 16;

bool same_layout(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && a.device() == b.device();
}

}  // namespace

Plan::Plan(std::unique_ptr<Recorded> recorded, std::shared_ptr<MemoryPool> pool,
           std::shared_ptr<const Dependencies> dependencies)
    : pool_(std::move(pool)),
      recorded_(std::move(recorded)),
      dependencies_(std::move(dependencies)),
      threads_(kernels::compute_threads()),
      precision_(kernels::precision()),
      grad_enabled_(autograd::grad_enabled) {}

bool Plan::holds() const {
  return recorded_ != nullptr && threads_ == kernels::compute_threads() && precision_ == kernels::precision() &&
         grad_enabled_ == autograd::grad_enabled && dependencies_->hold();
}

bool Plan::is_lost() const { return recorded_ == nullptr || dependencies_->are_lost(); }

void Plan::replay() const {
  if (!recorded_) throw StateError("[capture] expected a recorded plan, got an empty one");
  if (threads_ != kernels::compute_threads()) {
    throw StateError("[capture] expected the " + std::to_string(threads_) +
                     " compute_threads() that the step was recorded with, got " +
                     std::to_string(kernels::compute_threads()));
  }
  if (!dependencies_->hold()) {
    throw StateError("[capture] expected what the step was recorded with, got " + dependencies_->broken() +
                     "; record it anew");
  }
  run();
}

bool Plan::try_replay() const {
  if (!holds()) return false;
  run();
  return true;
}

void Plan::run() const {
  if (is_capturing()) throw StateError("[capture] a replay within a capture");
  dependencies_->before_replay();
  recorded_->replay();
  dependencies_->after_replay();
}

std::size_t Plan::size() const { return recorded_ ? recorded_->size() : 0; }

bool is_capturing() { return Dependencies::current() != nullptr; }

Plan capture(const std::function<void()>& work, Device device, std::shared_ptr<MemoryPool> pool) {
  if (is_capturing()) throw StateError("[capture] a capture within a capture");
  if (!pool) pool = std::make_shared<MemoryPool>(device);
  const auto dependencies = std::make_shared<Dependencies>();
  std::unique_ptr<Plan::Recorded> recorded;
  {
    const PoolScope scope(pool);
    const DependenciesScope notes(*dependencies);
    recorded = kernels::operations<kernels::CaptureOperations>(device).capture(device, work);
  }
  dependencies->finish();
  return {std::move(recorded), pool, dependencies};
}

const RecordedWork::Results* RecordedWork::replay() {
  for (auto recording = recordings_.begin(); recording != recordings_.end(); ++recording) {
    if (!recording->plan.try_replay()) continue;
    if (recording != recordings_.begin()) recordings_.splice(recordings_.begin(), recordings_, recording);
    ++calls_;
    ++replays_;
    return &show(recordings_.front());
  }
  return nullptr;
}

bool RecordedWork::is_worth_recording() const {
  return recorded_ < kRecordingsOnTrial + replays_ + calls_ / kCallsPerTrial;
}

const RecordedWork::Results& RecordedWork::run(const std::function<Results()>& work, const Options& options) {
  ++calls_;
  recordings_.remove_if([](const Recording& recording) { return recording.plan.is_lost(); });
  if (warmed_up_ < options.warm_up || !is_worth_recording()) {
    ++warmed_up_;
    shown_ = 0;
    return results_ = work();
  }
  warmed_up_ = 0;
  if (recordings_.size() >= kRecordingsOfOneWork) recordings_.pop_back();
  Recording fresh{{}, {}, ++recorded_};
  fresh.plan = capture([&] { fresh.results = work(); }, options.device, options.pool);
  recordings_.push_front(std::move(fresh));
  return show(recordings_.front());
}

const RecordedWork::Results& RecordedWork::show(const Recording& recording) {
  if (shown_ != recording.number) results_ = recording.results;
  shown_ = recording.number;
  return results_;
}

CapturedFunction::CapturedFunction(Function f) : CapturedFunction(std::move(f), Options{}) {}
CapturedFunction::CapturedFunction(Function f, Options options) : f_(std::move(f)), options_(options) {
  if (options.max_plans < 1 || options.warm_up < 0) {
    throw ConfigError("[capture] expected max_plans of at least 1 and warm_up of at least 0, got " +
                      std::to_string(options.max_plans) + " and " + std::to_string(options.warm_up));
  }
}

Device CapturedFunction::device_of(std::span<const Tensor> arguments) const {
  return options_.device ? *options_.device : arguments.empty() ? Device::cpu() : arguments[0].device();
}

CapturedFunction::Combination& CapturedFunction::combination_of(std::span<const Tensor> arguments) {
  for (auto c = combinations_.begin(); c != combinations_.end(); ++c) {
    if (!std::equal(c->arguments.begin(), c->arguments.end(), arguments.begin(), arguments.end(), same_layout))
      continue;
    if (c != combinations_.begin()) combinations_.splice(combinations_.begin(), combinations_, c);
    return *c;
  }
  Combination fresh;
  const Device device = device_of(arguments);
  for (const Tensor& x : arguments) {
    if (x.device() != device) {
      throw DeviceError("[capture] expected arguments on " + device.to_string() + ", got " + x.describe());
    }
    fresh.arguments.push_back(Tensor::empty(x.shape(), x.dtype(), x.device()));
  }
  if (combinations_.size() >= options_.max_plans) combinations_.pop_back();
  combinations_.push_front(std::move(fresh));
  return combinations_.front();
}

const std::vector<Tensor>& CapturedFunction::operator()(std::span<const Tensor> arguments) {
  for (const Tensor& x : arguments) {
    kernels::expect_defined("capture", x);
    if (!x.requires_grad()) continue;
    throw AutogradError("[capture] expected arguments that require no gradient, got " + x.describe() +
                        "; no gradient flows back through the copy that a recorded function reads");
  }
  Combination& c = combination_of(arguments);
  for (std::size_t i = 0; i < arguments.size(); ++i) kernels::copy_(c.arguments[i], arguments[i]);
  if (const auto* results = c.work.replay()) return *results;
  return c.work.run([&] { return f_(c.arguments); }, {.device = device_of(arguments), .warm_up = options_.warm_up});
}

}  // namespace hop
