// One model in training: its module, optimizer, schedule and state block, and one pass over a partition.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/error.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "hopper/experiment.h"
#include "hopper/metrics.h"
#include "kernels/capture.h"
#include "nn/optim/lr_scheduler.h"
#include "nn/state.h"

namespace hop::hopper {

/// Thrown out of Trainer::train when its stop token was triggered.
struct TrainingStopped : Error {
  using Error::Error;
};

/// Builds the module of a configuration: family, spec or the application's builder. Throws ConfigError, also for a
/// configuration name that nothing reads.
std::shared_ptr<nn::Module> build_module(const Experiment& experiment, const Config& config,
                                         const data::Dataset& dataset);

/// The optimizer of a configuration, for the module's parameters. Throws ConfigError.
std::unique_ptr<optim::Optimizer> make_optimizer(const Config& config, const nn::Module& module);

/// Trains units of one model. The weights after a unit are a function of (experiment, model, state before, epoch,
/// partition) alone. One thread.
class Trainer {
 public:
  /// The references outlive the trainer. Throws ConfigError for a configuration that cannot be built.
  Trainer(const Experiment& experiment, ModelId model, const Config& config, const data::Dataset& dataset);

  nn::StateBlock& state() { return *state_; }
  nn::Module& module() { return *module_; }

  /// Version 0: weights addressed by (seed, model, parameter name), the rest as built. Once, on a fresh trainer:
  /// StateError.
  void initialize();

  /// One unit: every row of `partition` once, in the order of (seed, model, epoch, partition). A loss that is not
  /// finite, or hopeless (above 1e6), ends the unit with an infinite train_loss. `rows_done`, when given, counts along.
  /// Throws TrainingStopped.
  UnitMetrics train(const data::Partition& partition, std::uint32_t epoch, PartitionId id, std::stop_token stop = {},
                    std::atomic<std::uint64_t>* rows_done = nullptr);
  /// Adds valid_loss and valid_accuracy. Changes nothing of the state.
  void validate(const data::Partition& rows, UnitMetrics& metrics);

 private:
  void step(const data::Batch& batch);
  void run_step(const data::Batch& batch);

  const Experiment& experiment_;
  ModelId model_;
  std::shared_ptr<nn::Module> module_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  optim::LRSchedule schedule_;
  std::function<Tensor(const Tensor&, const Tensor&)> loss_;
  std::unique_ptr<nn::StateBlock> state_;
  data::Loader loader_;
  data::Loader validation_loader_;
  Tensor meter_;  // see kernels::measure

  /// A recorded step, for the block and the batch size that it was recorded with.
  struct RecordedStep {
    const std::byte* block;
    std::int64_t rows;
    hop::Plan plan;
  };
  bool captures_;
  std::vector<RecordedStep> recorded_;  // the latest last
  std::shared_ptr<MemoryPool> pool_;    // of all of them: no two run at the same time
};

}  // namespace hop::hopper
