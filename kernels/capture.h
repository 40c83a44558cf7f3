// A step is captured once and replayed: the kernels of forward, loss, backward and update run again on the same
// addresses, without graph building, dispatch or allocation. On the CPU a recording is a flat list of bound calls, on
// CUDA a CUDA graph. Captured steps give the same bits as eager ones.
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
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/recently_used.h"
#include "kernels/precision.h"
#include "tensor/dependencies.h"
#include "tensor/memory_pool.h"
#include "tensor/tensor.h"

namespace hop {

/// A piece of work of one device, recorded once. It keeps addresses and the decisions of the host at that time: see
/// holds(). A copy is the same recording. One thread at a time.
class Recording {
 public:
  Recording() = default;
  explicit operator bool() const { return calls_ != nullptr; }
  /// Whether a replay would do the same as the work would do now. It would not
  /// - if a tensor that the work reads or writes has another address (a StateBlock was made or swapped, Module::to), or
  ///   if only recordings hold a handle to it any more (it was assigned anew, or its owner is gone);
  /// - if a leaf has another gradient tensor or another requires_grad(), or if a parameter's gradient is gone;
  /// - if a module's mode or hooks, a leaf's hooks, an optimizer's scales, frozen parameters or stop_when() changed;
  /// - if a module would draw its random numbers from another address (a replay draws at the recorded address, or at
  ///   the one to which Module::set_random_source points);
  /// - with another compute_threads(), kernels::precision() or grad mode.
  /// Not noticed: changes of numbers and other values that the work takes from the host, and a tensor that was assigned
  /// anew while the old one lives on in another handle. Fill tensors in place (copy_), or record anew.
  bool holds() const;
  /// Does the recorded work again. On CUDA the work is queued on the current stream. Versions of tensors change as in
  /// the recorded run: a graph that was recorded before a replay, and that needs a value which the replay wrote over,
  /// notices it. Precision and grad mode are the recorded ones. Throws the errors of the operations; what they wrote
  /// up to there stays. Then no gradient from before the replay passes for one of the work: a gradient that the work
  /// zeroes first is zero, one that it replaces first is absent. Throws StateError for an empty recording and within a
  /// capture; also, with the reason, if the recording does not hold: then nothing has been read or written.
  void replay() const;
  /// Is told the id() of a leaf as soon as a replay has its whole gradient.
  using OnGradient = std::function<void(const void* leaf)>;
  /// Replays and returns true if the recording holds(); otherwise returns false. On the CPU `on_gradient`, if given, is
  /// called in the middle of the replay, for each leaf to which the work gives a gradient. It must leave the tensors of
  /// the work alone, except for the gradients that are complete. On CUDA it is not called.
  bool try_replay(const OnGradient& on_gradient = {}) const;
  /// Whether the recording can never hold again because something that it needs is gone.
  bool is_lost() const;
  /// Kernels (and copies) per replay.
  std::size_t size() const;

  /// The part of a recording that a device supplies.
  class Calls {
   public:
    virtual ~Calls() = default;
    virtual void replay() = 0;
    /// The calls from `begin` to before `end`. Needed only of a device that counts its calls (calls_so_far()).
    virtual void replay_part(std::size_t begin, std::size_t end);
    virtual std::size_t size() const = 0;
  };
  Recording(std::unique_ptr<Calls> calls, std::shared_ptr<MemoryPool> pool,
            std::shared_ptr<const Dependencies> dependencies);

 private:
  void run(const OnGradient& on_gradient) const;
  void make_calls(const OnGradient& on_gradient) const;

  std::shared_ptr<MemoryPool> pool_;  // declared before calls_, whose scratch memory lies in the pool
  std::shared_ptr<Calls> calls_;
  std::shared_ptr<const Dependencies> dependencies_;
  int threads_ = 1;
  kernels::Precision precision_ = kernels::Precision::strict;
};

/// Runs `work` once on `device` and records it. Its allocations come from `pool` (a fresh one if null) and keep their
/// addresses as long as the recording or a tensor in the pool lives. Recordings may share a pool if they never run at
/// the same time and if no tensor of one recording is read after another one has run. Throws DeviceError for a pool of
/// another device.
///
/// Only operations of `device` are recorded; operations of another device throw StateError. The host's own part of
/// `work` happens once: numbers stay as they were, so learning rates and step numbers must be read from tensors
/// (Module::set_random_source, Optimizer::set_lr). Recording::holds() lists the changes that a recording notices.
/// Reading a value on the host (item()) or making a tensor from host values throws StateError. If `work` throws, there
/// is no recording, but its work on the CPU up to that point has been done. A capture within a capture throws
/// StateError.
Recording capture(const std::function<void()>& work, Device device = Device::cpu(),
                  std::shared_ptr<MemoryPool> pool = nullptr);

/// True while this thread records.
bool is_capturing();

namespace kernels {

/// How many calls this thread has recorded so far; nothing unless it records work of the CPU.
std::optional<std::size_t> calls_so_far();

}  // namespace kernels

/// One piece of work with its recordings: one for each state of its dependencies (training and evaluation, frozen or
/// not), the four used last. A call replays a recording that holds. If none holds, it runs the work, and records it if
/// recording has paid so far. So a call has the bits of an eager one. For some work no recording ever holds twice (a
/// module draws random numbers from a plain key): such work soon runs eagerly except for one call in sixteen.
class RecordedWork {
 public:
  using Results = std::vector<Tensor>;
  struct Options {
    Device device = Device::cpu();
    /// Eager runs before each recording.
    int warm_up = 0;
    std::shared_ptr<MemoryPool> pool = nullptr;  ///< for all recordings; null: a fresh one for each
  };
  /// Replays the recording that holds now and returns its results; null if none holds. See Recording::try_replay().
  const Results* replay(const Recording::OnGradient& on_gradient = {});
  /// Runs the work and may record it.
  const Results& run(const std::function<Results()>& work, const Options& options);
  /// How often it was recorded.
  std::size_t recordings() const { return recorded_; }

 private:
  struct Kept {
    Recording recording;
    Results results;
    std::uint64_t number;
  };
  static constexpr std::size_t kRecordings = 4;
  bool is_worth_recording() const;
  const Results& show(const Kept& kept);

  RecentlyUsed<Kept> kept_{kRecordings};
  Results results_;          // of the last call
  std::uint64_t shown_ = 0;  // the number of the recording that results_ come from; 0: none
  std::uint64_t calls_ = 0, replays_ = 0, recorded_ = 0;
  int warmed_up_ = 0;
};

/// A function of tensors that records itself once per combination of its arguments' shapes, dtypes and memory
/// formats, and then replays. If a dependency has changed (Recording::holds()), it records again, so that a call has
/// the bits of an eager one. The recorded work reads the function's own buffers. The arguments are copied there, so no
/// gradient flows back into them.
///
/// For speed, let the host decide nothing that changes in every step. A module with a plain random key draws each
/// step's numbers at another address, so it runs eagerly. With set_random_source() and begin_step() it is replayed.
class CapturedFunction {
 public:
  using Function = std::function<std::vector<Tensor>(std::span<const Tensor>)>;
  struct Options {
    /// Where the work runs; by default on the device of the arguments, which all lie on one device.
    std::optional<Device> device = std::nullopt;
    /// Calls that run eagerly before one is recorded. The first calls of a model may still make lasting allocations (a
    /// CUDA library's workspace, a gradient).
    int warm_up = 1;
    /// How many combinations are kept, each with its buffers (arguments, results, everything in between). The one used
    /// longest ago makes room for a new one. At least 1.
    std::size_t max_combinations = 64;
  };
  explicit CapturedFunction(Function f);
  /// Throws ConfigError for options out of range.
  CapturedFunction(Function f, Options options);
  /// A copy has the same function and options, and buffers and recordings of its own.
  CapturedFunction(const CapturedFunction& other) : CapturedFunction(other.f_, other.options_) {}
  CapturedFunction(CapturedFunction&&) noexcept = default;
  CapturedFunction& operator=(const CapturedFunction& other) { return *this = CapturedFunction(other); }
  CapturedFunction& operator=(CapturedFunction&&) noexcept = default;
  ~CapturedFunction() = default;

  /// The results of the function. The next call of the same combination overwrites them, and what their graphs saved.
  /// If results require no gradient, a graph that needs their old values notices it: AutogradError in its backward
  /// pass. A graph that goes on from results with a graph does not notice it: call backward() before the next call. The
  /// reference is valid until max_combinations other combinations were called; a copy of the vector keeps its tensors.
  /// Throws AutogradError for an argument that requires a gradient, DeviceError for an argument on another device.
  const std::vector<Tensor>& operator()(std::span<const Tensor> arguments);
  const std::vector<Tensor>& operator()(std::initializer_list<Tensor> arguments) {
    return (*this)(std::span<const Tensor>(arguments.begin(), arguments.size()));
  }
  /// Combinations that are kept.
  std::size_t combinations() const { return combinations_.size(); }
  /// Forgets all combinations and their recordings.
  void reset() { combinations_.clear(); }

 private:
  struct Combination {
    std::vector<Tensor> arguments;  // the function's own buffers
    RecordedWork work;
  };
  Device device_of(std::span<const Tensor> arguments) const;
  Combination& add_combination(std::span<const Tensor> arguments);
  const std::vector<Tensor>& call(Combination& combination, std::span<const Tensor> arguments);

  Function f_;
  Options options_;
  RecentlyUsed<Combination> combinations_;  // results are given out by reference
};

}  // namespace hop
