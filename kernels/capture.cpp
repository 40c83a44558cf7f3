#include "kernels/capture.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/capture_internal.h"
#include "kernels/copy.h"
#include "kernels/operations_internal.h"
#include "tensor/autograd_slot.h"

namespace hop {
namespace {

constinit thread_local std::vector<Plan::WrittenGradient>* noted_gradients = nullptr;

/// While alive, note_gradient() of this thread writes to `list`.
class NotesScope {
 public:
  explicit NotesScope(std::vector<Plan::WrittenGradient>& list) { noted_gradients = &list; }
  ~NotesScope() { noted_gradients = nullptr; }
};

bool same_layout(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && a.device() == b.device();
}

}  // namespace

namespace kernels {

// The first write of a step counts: what follows adds to it, whatever it was.
void note_gradient(const Tensor& leaf, bool adds) {
  if (noted_gradients == nullptr) return;
  const auto is_leaf = [&](const Plan::WrittenGradient& g) { return g.leaf.is_same(leaf); };
  if (std::none_of(noted_gradients->begin(), noted_gradients->end(), is_leaf)) noted_gradients->push_back({leaf, adds});
}

}  // namespace kernels

Plan::Plan(std::unique_ptr<Recorded> recorded, std::shared_ptr<MemoryPool> pool, std::vector<WrittenGradient> gradients)
    : pool_(std::move(pool)), recorded_(std::move(recorded)), gradients_(std::move(gradients)) {}

void Plan::replay() const {
  if (!recorded_) throw StateError("[capture] expected a recorded plan, got an empty one");
  if (is_capturing()) throw StateError("[capture] a replay within a capture");
  for (const WrittenGradient& g : gradients_) {
    if (g.adds)
      static_cast<void>(g.leaf.grad());  // clears bytes that count as zero
    else if (AutogradSlot* slot = g.leaf.autograd_slot())
      slot->grad_is_zero = false;
  }
  recorded_->replay();
}

std::size_t Plan::size() const { return recorded_ ? recorded_->size() : 0; }

bool is_capturing() { return MemoryPool::current() != nullptr; }

Plan capture(const std::function<void()>& work, Device device, std::shared_ptr<MemoryPool> pool) {
  if (is_capturing()) throw StateError("[capture] a capture within a capture");
  if (!pool) pool = std::make_shared<MemoryPool>(device);
  std::vector<Plan::WrittenGradient> gradients;
  const PoolScope scope(pool);
  const NotesScope notes(gradients);
  auto recorded = kernels::operations(device).capture(device, work);
  return {std::move(recorded), pool, std::move(gradients)};
}

CapturedFunction::CapturedFunction(Function f) : CapturedFunction(std::move(f), Options{}) {}
CapturedFunction::CapturedFunction(Function f, Options options) : f_(std::move(f)), options_(options) {}

Device CapturedFunction::device_of(std::span<const Tensor> arguments) const {
  return options_.device ? *options_.device : arguments.empty() ? Device::cpu() : arguments[0].device();
}

CapturedFunction::Recording& CapturedFunction::recording_for(std::span<const Tensor> arguments) {
  for (Recording& r : recordings_) {
    if (std::equal(r.arguments.begin(), r.arguments.end(), arguments.begin(), arguments.end(), same_layout)) return r;
  }
  Recording recording;
  const Device device = device_of(arguments);
  for (const Tensor& x : arguments) {
    if (x.requires_grad()) {
      throw AutogradError("[capture] expected arguments that require no gradient, got " + x.describe() +
                          "; no gradient flows back through the copy that a recorded function reads");
    }
    if (x.device() != device) {
      throw DeviceError("[capture] expected arguments on " + device.to_string() + ", got " + x.describe());
    }
    recording.arguments.push_back(Tensor::empty(x.shape(), x.dtype(), x.device()));
  }
  recordings_.push_back(std::move(recording));
  return recordings_.back();
}

const std::vector<Tensor>& CapturedFunction::operator()(std::span<const Tensor> arguments) {
  Recording& r = recording_for(arguments);
  for (std::size_t i = 0; i < arguments.size(); ++i) kernels::copy_(r.arguments[i], arguments[i]);
  if (r.plan) {
    r.plan.replay();
  } else if (r.calls++ < options_.warm_up) {
    r.results = f_(r.arguments);
  } else {
    r.results.clear();
    r.plan = capture([&] { r.results = f_(r.arguments); }, device_of(arguments));
  }
  return r.results;
}

}  // namespace hop
