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
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/precision.h"
#include "tensor/dependencies.h"
#include "tensor/memory_pool.h"
#include "tensor/tensor.h"

namespace hop {

/// A recorded piece of work of one device. It holds addresses, and what the host decided when it was recorded: see
/// Plan::holds(). A copy is the same plan. One thread at a time.
class Plan {
 public:
  Plan() = default;
  explicit operator bool() const { return recorded_ != nullptr; }
  /// Whether a replay would do what the work would do now. It would not
  /// - where a tensor that the work reads or writes lies somewhere else (a StateBlock was made or swapped, Module::to),
  ///   or no handle but a plan's is left (it was assigned anew, or its owner is gone);
  /// - where a leaf has another gradient tensor or another requires_grad(), or the gradient of a parameter was there
  /// and
  ///   now is not;
  /// - where a module's mode or hooks, a leaf's hooks, an optimizer's scales, frozen parameters or stop_when() changed;
  /// - where a module would draw its random numbers from another address (a replay draws at the recorded one, or where
  ///   Module::set_random_source points);
  /// - with another compute_threads(), kernels::precision() or grad mode.
  /// Not seen: numbers and other values that the work takes from the host, and a tensor that was assigned anew while
  /// the old one lives on in another handle. Fill tensors in place (copy_), or record anew.
  bool holds() const;
  /// Does the recorded work again. On CUDA it is queued on the current stream. Versions of tensors do not move: a graph
  /// that was recorded before a replay does not notice what the replay writes. Precision and grad mode are the recorded
  /// ones. Throws what an operation throws; StateError for an empty plan, within a capture, and with a reason where
  /// another part of holds() is wrong: nothing is read or written then.
  void replay() const;
  /// replay() if the plan holds(); else false.
  bool try_replay() const;
  /// Whether it can never hold again, as something that it needs is gone.
  bool is_lost() const;
  /// Kernels (and copies) per replay.
  std::size_t size() const;

  /// What a device's recorder fills in.
  class Recorded {
   public:
    virtual ~Recorded() = default;
    virtual void replay() = 0;
    virtual std::size_t size() const = 0;
  };
  Plan(std::unique_ptr<Recorded> recorded, std::shared_ptr<MemoryPool> pool,
       std::shared_ptr<const Dependencies> dependencies);

 private:
  void run() const;

  std::shared_ptr<MemoryPool> pool_;  // before recorded_: scratch of the plan lies in it
  std::shared_ptr<Recorded> recorded_;
  std::shared_ptr<const Dependencies> dependencies_;
  int threads_ = 1;
  kernels::Precision precision_ = kernels::Precision::strict;
  bool grad_enabled_ = true;
};

/// Runs `work` once on `device` and records it. What it allocates comes from `pool` (a fresh one if null) and stays
/// where it is as long as the plan or a tensor in it lives. Plans that never run at the same time may share a pool if
/// no tensor that one of them made is read after another has run.
///
/// Only operations of `device` are recorded (another device's throw StateError). What the host does itself in `work`
/// happens once: learning rates and step numbers must be read from tensors (Module::set_random_source,
/// Optimizer::set_lr), and numbers stay as they were. What the plan notices is listed at Plan::holds(). Reading a value
/// on the host (item()) or making a tensor from host values throws StateError. If `work` throws, there is no plan, and
/// what it had done on the CPU until then is done. No capture within a capture: StateError.
Plan capture(const std::function<void()>& work, Device device = Device::cpu(),
             std::shared_ptr<MemoryPool> pool = nullptr);

/// True while this thread records.
bool is_capturing();

/// One piece of work with its recordings: one for each state of what it depends on (training and evaluation, frozen or
/// not), the four used last. So a call has the bits of an eager one: it replays a recording that holds, or runs the
/// work, recording it where that has paid so far. Work that no recording ever holds for twice (a module draws random
/// numbers from a plain key) soon runs eagerly but for one call in sixteen.
class RecordedWork {
 public:
  using Results = std::vector<Tensor>;
  struct Options {
    Device device = Device::cpu();
    /// Eager runs before each recording.
    int warm_up = 0;
    std::shared_ptr<MemoryPool> pool = nullptr;  ///< for all recordings; null: a fresh one for each
  };
  /// The results of the recording that holds now, replayed; null: none does.
  const Results* replay();
  /// Runs the work, and may record it.
  const Results& run(const std::function<Results()>& work, const Options& options);
  /// How often it was recorded.
  std::size_t recordings() const { return recorded_; }

 private:
  struct Recording {
    Plan plan;
    Results results;
    std::uint64_t number;
  };
  bool is_worth_recording() const;
  const Results& show(const Recording& recording);

  std::list<Recording> recordings_;  // the one used last first
  Results results_;                  // of the last call
  std::uint64_t shown_ = 0;          // the recording that results_ come from; 0: none
  std::uint64_t calls_ = 0, replays_ = 0, recorded_ = 0;
  int warmed_up_ = 0;
};

/// A function of tensors that records itself: once per combination of its arguments' shapes and dtypes, then it
/// replays; again where what it depends on has changed (Plan::holds()), so that a call has the bits of an eager one.
/// The arguments are copied into buffers of its own, which the recorded work reads; so no gradient flows back into
/// them.
///
/// For speed, leave nothing to the host that changes in every step: a module with a plain random key draws each step's
/// numbers elsewhere, so it runs eagerly; with set_random_source() and begin_step() it is replayed.
class CapturedFunction {
 public:
  using Function = std::function<std::vector<Tensor>(std::span<const Tensor>)>;
  struct Options {
    /// Where the work runs; if not said, where the arguments are (all on one device).
    std::optional<Device> device = std::nullopt;
    /// Calls that run eagerly before one is recorded: the first calls of a model may still allocate what stays (a CUDA
    /// library's workspace, a gradient).
    int warm_up = 1;
    /// Combinations that are kept, with the buffers of each (arguments, results, all that lies between them): the one
    /// used longest ago makes room for another. At least 1.
    std::size_t max_plans = 64;
  };
  explicit CapturedFunction(Function f);
  /// Throws ConfigError for options out of range.
  CapturedFunction(Function f, Options options);

  /// The results of the function; the next call of the same combination overwrites them. The reference is good until
  /// max_plans other combinations were called; a copy of the vector keeps its tensors. Throws AutogradError for an
  /// argument that requires a gradient, DeviceError for one on another device.
  const std::vector<Tensor>& operator()(std::span<const Tensor> arguments);
  const std::vector<Tensor>& operator()(std::initializer_list<Tensor> arguments) {
    return (*this)(std::span<const Tensor>(arguments.begin(), arguments.size()));
  }
  /// Combinations that are kept.
  std::size_t plans() const { return combinations_.size(); }
  /// Forgets all plans.
  void reset() { combinations_.clear(); }

 private:
  struct Combination {
    std::vector<Tensor> arguments;  // the function's own buffers
    RecordedWork work;
  };
  Device device_of(std::span<const Tensor> arguments) const;
  Combination& combination_of(std::span<const Tensor> arguments);

  Function f_;
  Options options_;
  std::list<Combination> combinations_;  // the one used last first; results are given out by reference
};

}  // namespace hop
