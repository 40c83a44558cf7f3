#include "kernels/capture.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/capture_operations.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/layout_internal.h"
#include "kernels/threads.h"

namespace hop {
namespace {

constexpr std::uint64_t kRecordingsOnTrial = 4;
constexpr std::uint64_t kCallsPerTrial = 16;

/// Whether `buffer` is what an argument x is copied to.
bool holds_like(const Tensor& buffer, const Tensor& x) {
  return buffer.shape() == x.shape() && buffer.dtype() == x.dtype() && buffer.device() == x.device() &&
         kernels::layout_of(buffer) == kernels::copied_layout(x);
}

}  // namespace

Recording::Recording(std::unique_ptr<Calls> calls, std::shared_ptr<MemoryPool> pool,
                     std::shared_ptr<const Dependencies> dependencies)
    : pool_(std::move(pool)),
      calls_(std::move(calls)),
      dependencies_(std::move(dependencies)),
      threads_(kernels::compute_threads()),
      precision_(kernels::precision()) {}

bool Recording::holds() const {
  return calls_ != nullptr && threads_ == kernels::compute_threads() && precision_ == kernels::precision() &&
         dependencies_->has_grad_mode() && dependencies_->hold();
}

bool Recording::is_lost() const { return calls_ == nullptr || dependencies_->are_lost(); }

void Recording::replay() const {
  if (!calls_) throw StateError("[capture] expected a recording, got an empty one");
  if (threads_ != kernels::compute_threads()) {
    throw StateError("[capture] expected the " + std::to_string(threads_) +
                     " compute_threads() that the step was recorded with, got " +
                     std::to_string(kernels::compute_threads()));
  }
  if (!dependencies_->hold()) {
    throw StateError("[capture] expected what the step was recorded with, got " + dependencies_->broken() +
                     "; record it anew");
  }
  run({});
}

bool Recording::try_replay(const OnGradient& on_gradient) const {
  if (!holds()) return false;
  run(on_gradient);
  return true;
}

void Recording::run(const OnGradient& on_gradient) const {
  if (is_capturing()) throw StateError("[capture] a replay within a capture");
  dependencies_->before_replay();
  try {
    make_calls(on_gradient);
  } catch (...) {
    dependencies_->after_failed_replay();
    throw;
  }
  dependencies_->after_replay();
}

void Recording::make_calls(const OnGradient& on_gradient) const {
  if (!on_gradient || dependencies_->given().empty()) return calls_->replay();
  std::size_t done = 0;
  for (const Dependencies::Given& given : dependencies_->given()) {
    calls_->replay_part(std::exchange(done, given.calls), given.calls);
    on_gradient(given.leaf);
  }
  calls_->replay_part(done, calls_->size());
}

void Recording::Calls::replay_part(std::size_t, std::size_t) {
  throw StateError("[capture] expected a recording of the CPU, whose calls are made one by one");
}

std::size_t Recording::size() const { return calls_ ? calls_->size() : 0; }

bool is_capturing() { return Dependencies::current() != nullptr; }

Recording capture(const std::function<void()>& work, Device device, std::shared_ptr<MemoryPool> pool) {
  if (is_capturing()) throw StateError("[capture] a capture within a capture");
  if (!pool) pool = std::make_shared<MemoryPool>(device);
  if (pool->device() != device) {
    throw DeviceError("[capture] expected a pool on " + device.to_string() + ", got one on " +
                      pool->device().to_string());
  }
  const auto dependencies = std::make_shared<Dependencies>(device);
  std::unique_ptr<Recording::Calls> calls;
  {
    const PoolScope scope(pool);
    const DependenciesScope notes(*dependencies);
    calls = kernels::operations<kernels::CaptureOperations>(device).capture(device, work);
  }
  dependencies->finish();
  return {std::move(calls), pool, dependencies};
}

const RecordedWork::Results* RecordedWork::replay(const Recording::OnGradient& on_gradient) {
  const Kept* const kept = kept_.find([&](const Kept& k) { return k.recording.try_replay(on_gradient); });
  if (kept == nullptr) return nullptr;
  ++calls_;
  ++replays_;
  return &show(*kept);
}

bool RecordedWork::is_worth_recording() const {
  return recorded_ < kRecordingsOnTrial + replays_ + calls_ / kCallsPerTrial;
}

const RecordedWork::Results& RecordedWork::run(const std::function<Results()>& work, const Options& options) {
  ++calls_;
  kept_.remove_if([](const Kept& k) { return k.recording.is_lost(); });
  if (warmed_up_ < options.warm_up || !is_worth_recording()) {
    ++warmed_up_;
    shown_ = 0;
    return results_ = work();
  }
  warmed_up_ = 0;
  kept_.make_room();  // before memory is taken for another one
  Kept fresh{{}, {}, ++recorded_};
  const auto record = [&] {
    fresh.results = work();
    for (const Tensor& result : fresh.results) {  // one with a graph is its node's output, and changes with the node
      if (result.defined() && result.is_leaf() && Dependencies::current()->made(result))
        Dependencies::current()->add_result(result);
    }
  };
  fresh.recording = capture(record, options.device, options.pool);
  return show(kept_.add(std::move(fresh)));
}

const RecordedWork::Results& RecordedWork::show(const Kept& kept) {
  if (shown_ != kept.number) results_ = kept.results;
  shown_ = kept.number;
  return results_;
}

CapturedFunction::CapturedFunction(Function f) : CapturedFunction(std::move(f), Options{}) {}
CapturedFunction::CapturedFunction(Function f, Options options)
    : f_(std::move(f)), options_(options), combinations_(options.max_combinations) {
  if (options.max_combinations < 1 || options.warm_up < 0) {
    throw ConfigError("[capture] expected max_combinations of at least 1 and warm_up of at least 0, got " +
                      std::to_string(options.max_combinations) + " and " + std::to_string(options.warm_up));
  }
}

Device CapturedFunction::device_of(std::span<const Tensor> arguments) const {
  return options_.device ? *options_.device : arguments.empty() ? Device::cpu() : arguments[0].device();
}

CapturedFunction::Combination& CapturedFunction::add_combination(std::span<const Tensor> arguments) {
  Combination fresh;
  const Device device = device_of(arguments);
  for (const Tensor& x : arguments) {
    if (x.device() != device) {
      throw DeviceError("[capture] expected arguments on " + device.to_string() + ", got " + x.describe());
    }
    fresh.arguments.push_back(kernels::empty_in(kernels::copied_layout(x), x.shape(), x.dtype(), x.device()));
  }
  return combinations_.add(std::move(fresh));
}

const std::vector<Tensor>& CapturedFunction::operator()(std::span<const Tensor> arguments) {
  for (const Tensor& x : arguments) {
    kernels::expect_defined("capture", x);
    if (!x.requires_grad()) continue;
    throw AutogradError("[capture] expected arguments that require no gradient, got " + x.describe() +
                        "; no gradient flows back through the copy that a recorded function reads");
  }
  const auto fits = [&](const Combination& c) { return std::ranges::equal(c.arguments, arguments, holds_like); };
  if (Combination* const known = combinations_.find(fits)) return call(*known, arguments);
  // The arguments may be the results of a combination that makes room for this one.
  const std::vector<Tensor> held(arguments.begin(), arguments.end());
  return call(add_combination(held), held);
}

const std::vector<Tensor>& CapturedFunction::call(Combination& c, std::span<const Tensor> arguments) {
  // A function may return its arguments. If a caller passes them on in another order, an argument lies in a buffer that
  // is filled before it is read.
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const auto is_source = [&](const Tensor& buffer) { return buffer.storage() == arguments[i].storage(); };
    if (std::none_of(c.arguments.begin(), c.arguments.begin() + static_cast<std::ptrdiff_t>(i), is_source)) continue;
    std::vector<Tensor> copies;
    for (const Tensor& x : arguments) copies.push_back(kernels::clone(x));
    return call(c, copies);
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) kernels::copy_(c.arguments[i], arguments[i]);
  if (const auto* results = c.work.replay()) return *results;
  return c.work.run([&] { return f_(c.arguments); }, {.device = device_of(arguments), .warm_up = options_.warm_up});
}

}  // namespace hop
