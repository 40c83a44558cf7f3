#include "kernels/capture.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/operations_internal.h"

namespace hop {
namespace {

bool same_layout(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && a.device() == b.device();
}

}  // namespace

Plan::Plan(std::unique_ptr<Recorded> recorded, std::shared_ptr<MemoryPool> pool)
    : pool_(std::move(pool)), recorded_(std::move(recorded)) {}

void Plan::replay() const {
  if (!recorded_) throw StateError("[capture] expected a recorded plan, got an empty one");
  recorded_->replay();
}

std::size_t Plan::size() const { return recorded_ ? recorded_->size() : 0; }

bool is_capturing() { return MemoryPool::current() != nullptr; }

Plan capture(const std::function<void()>& work, Device device, std::shared_ptr<MemoryPool> pool) {
  if (is_capturing()) throw StateError("[capture] a capture within a capture");
  if (!pool) pool = std::make_shared<MemoryPool>(device);
  const PoolScope scope(pool);
  return {kernels::operations(device.type).capture(device, work), pool};
}

CapturedFunction::CapturedFunction(Function f, int warm_up) : f_(std::move(f)), warm_up_(warm_up) {}

CapturedFunction::Recording& CapturedFunction::recording_for(std::span<const Tensor> arguments) {
  for (Recording& r : recordings_) {
    if (std::equal(r.arguments.begin(), r.arguments.end(), arguments.begin(), arguments.end(), same_layout)) return r;
  }
  Recording recording;
  for (const Tensor& x : arguments) recording.arguments.push_back(Tensor::empty(x.shape(), x.dtype(), x.device()));
  recordings_.push_back(std::move(recording));
  return recordings_.back();
}

const std::vector<Tensor>& CapturedFunction::operator()(std::span<const Tensor> arguments) {
  Recording& r = recording_for(arguments);
  for (std::size_t i = 0; i < arguments.size(); ++i) kernels::copy_(r.arguments[i], arguments[i]);
  if (r.plan) {
    r.plan.replay();
  } else if (r.calls++ < warm_up_) {
    r.results = f_(r.arguments);
  } else {
    const Device device = r.arguments.empty() ? Device::cpu() : r.arguments.front().device();
    if (!pool_) pool_ = std::make_shared<MemoryPool>(device);
    r.results.clear();
    r.plan = capture([&] { r.results = f_(r.arguments); }, device, pool_);
  }
  return r.results;
}

void CapturedFunction::reset() {
  recordings_.clear();
  pool_.reset();
}

}  // namespace hop
