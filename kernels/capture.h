// A step is captured once and replayed: the kernels of forward, loss, backward and update run again on the addresses
// that they had, without graph building, dispatch or allocation. On the CPU a plan is a flat list of bound calls, on
// CUDA a CUDA graph. Eager and captured give the same bits.
//
//   CapturedFunction step([&](std::span<const Tensor> in) {
//     optimizer.zero_grad();
//     const Tensor loss = cross_entropy(model(in[0]), in[1]);
//     backward(loss);
//     optimizer.step();
//     return std::vector{loss};
//   });
//   while (const auto batch = loader.next()) {
//     optimizer.set_lr(schedule(optimizer.step_count()));
//     step({batch->x, batch->y});
//   }
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tensor/memory_pool.h"
#include "tensor/tensor.h"

namespace hop {

/// A recorded piece of work of one device. It holds addresses: tensors that the work reads and that it did not make
/// itself must live, and stay where they are, as long as the plan is replayed. A copy is the same plan. One thread at a
/// time, with the compute_threads() that it was recorded with.
class Plan {
 public:
  Plan() = default;
  explicit operator bool() const { return recorded_ != nullptr; }
  /// Does the recorded work again. On CUDA it is queued on the current stream. Versions of tensors do not move: a graph
  /// that was recorded before a replay does not notice what the replay writes. Throws what an operation throws;
  /// StateError for an empty plan and within a capture.
  void replay() const;
  /// Kernels (and copies) per replay.
  std::size_t size() const;

  /// What a device's recorder fills in.
  class Recorded {
   public:
    virtual ~Recorded() = default;
    virtual void replay() = 0;
    virtual std::size_t size() const = 0;
  };
  /// A gradient that the work writes, or adds to.
  struct WrittenGradient {
    Tensor leaf;
    bool adds;
  };
  Plan(std::unique_ptr<Recorded> recorded, std::shared_ptr<MemoryPool> pool, std::vector<WrittenGradient> gradients);

 private:
  std::shared_ptr<MemoryPool> pool_;  // before recorded_: scratch of the plan lies in it
  std::shared_ptr<Recorded> recorded_;
  std::vector<WrittenGradient> gradients_;
};

/// Runs `work` once on `device` and records it. What it allocates comes from `pool` (a fresh one if null) and stays
/// where it is as long as the plan or a tensor in it lives. Plans that never run at the same time may share a pool if
/// no tensor that one of them made is read after another has run.
///
/// Only operations of `device` are recorded (another device's throw StateError). What the host does itself in `work`
/// happens once: random keys, learning rates and step numbers must be read from tensors (Module::set_random_source,
/// Optimizer::set_lr); scales and frozen parameters stay as they were. Reading a value on the host (item()) or making a
/// tensor from host values throws StateError. If `work` throws, there is no plan, and what it had done on the CPU until
/// then is done. No capture within a capture: StateError.
Plan capture(const std::function<void()>& work, Device device = Device::cpu(),
             std::shared_ptr<MemoryPool> pool = nullptr);

/// True while this thread records.
bool is_capturing();

/// A function of tensors that records itself: once per combination of its arguments' shapes and dtypes, then it
/// replays. The arguments are copied into buffers of its own, which the recorded work reads; so no gradient flows back
/// into them.
class CapturedFunction {
 public:
  using Function = std::function<std::vector<Tensor>(std::span<const Tensor>)>;
  struct Options {
    /// Where the work runs; if not said, where the arguments are (all on one device).
    std::optional<Device> device = std::nullopt;
    /// Calls per combination that run eagerly before the one that is recorded: the first calls of a model may still
    /// allocate what stays (a CUDA library's workspace, a gradient).
    int warm_up = 1;
  };
  explicit CapturedFunction(Function f);
  CapturedFunction(Function f, Options options);

  /// The results of the function; the next call of the same combination overwrites them. Throws AutogradError for an
  /// argument that requires a gradient, DeviceError for one on another device.
  const std::vector<Tensor>& operator()(std::span<const Tensor> arguments);
  const std::vector<Tensor>& operator()(std::initializer_list<Tensor> arguments) {
    return (*this)(std::span<const Tensor>(arguments.begin(), arguments.size()));
  }
  /// Combinations seen so far.
  std::size_t plans() const { return recordings_.size(); }
  /// Forgets all plans: to be called when tensors that the function reads were given other addresses.
  void reset() { recordings_.clear(); }

 private:
  struct Recording {
    std::vector<Tensor> arguments;  // the function's own buffers
    std::vector<Tensor> results;
    Plan plan;
    int calls = 0;
  };
  Device device_of(std::span<const Tensor> arguments) const;
  Recording& recording_for(std::span<const Tensor> arguments);

  Function f_;
  Options options_;
  std::deque<Recording> recordings_;  // results are given out by reference
};

}  // namespace hop
