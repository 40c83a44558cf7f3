// A place for training models: a module, an optimizer and a state block on one device, with their recorded steps.
// Models of one architecture take turns in a trainer: a hop brings another state, and nothing is recorded again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/recently_used.h"
#include "data/batches.h"
#include "data/dataset.h"
#include "hopper/build_model.h"
#include "hopper/experiment.h"
#include "hopper/metrics.h"
#include "hopper/strategy/exchange.h"
#include "hopper/strategy/group_wire.h"
#include "kernels/capture.h"
#include "nn/mixup.h"
#include "nn/output.h"
#include "nn/state.h"
#include "nn/unsupervised.h"

namespace hop::kernels {
class ReplicaTalk;
}

namespace hop::hopper {

class ReplicaModule;

/// Thrown by Trainer::train when its stop token was triggered.
struct TrainingStopped : Error {
  using Error::Error;
};

/// The rows of a partition.
using PartitionRows = std::function<data::Partition(PartitionId)>;

/// Trains one model at a time. The weights after a pass over a partition are a function of (experiment, model, state
/// before, epoch, partition, kind of device) alone. One thread at a time: a worker builds trainers and loads states on
/// its disk or network thread, and trains on its compute thread.
class Trainer {
 public:
  /// The references outlive the trainer. `rows` may hold partitions on the device; other partitions are streamed to it.
  /// Throws ConfigError for a configuration that cannot be built, and for synchronised BatchNorm layers on another
  /// device than the CPU; DeviceError for a device that is not there, MemoryError. DtypeError if the strategy of the
  /// experiment has replicas, unless all parameters are f32. With Replicas::PushGradients also ConfigError for a scaler
  /// of gradients, and for epochs of more gradients than the journal can remember the order of.
  Trainer(const Experiment& experiment, ModelId model, const Config& config, const data::Dataset& dataset,
          Device device = Device::cpu(), std::shared_ptr<const data::DeviceRows> rows = nullptr);
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Switches to another model, whose state must be loaded next. Throws StateError unless it has the same
  /// architecture_key().
  void assign(ModelId model, const Config& config);
  /// architecture_key() of the models that may be assigned.
  const std::string& key() const { return key_; }

  Device device() const { return state_->device(); }
  /// How the strategy of the experiment lets replicas share.
  Replicas replicas() const { return replicas_; }
  nn::StateBlock& state() { return *state_; }
  const nn::StateBlock& state() const { return *state_; }
  nn::Module& module() { return *module_; }

  /// From now on `exchange` stands between backward and update of every training step. Null, as at first: nothing does.
  /// Throws DtypeError unless all parameters are f32, ConfigError for rows with weights, a scaler of gradients and
  /// Replicas::PushGradients.
  void set_exchange(std::shared_ptr<Exchange> exchange);
  /// Steps that are recorded from now on compute in `memory`, as those of other trainers may that never train at the
  /// same time. Otherwise the trainer has a pool of its own. `memory` is of the trainer's device, or the next step
  /// throws DeviceError.
  void share_memory(std::shared_ptr<MemoryPool> memory) { pool_ = std::move(memory); }

  /// Makes version 0 of the model: weights from random numbers addressed by (seed, model, parameter name), the rest as
  /// built. The weights are made on the CPU and loaded, so that they are the same on every device. Throws ConfigError
  /// as check_last_batches(), because a search may choose a configuration in the middle of a run.
  void initialize();

  /// One pass of the loaded state: every row of `partition` once, in the order of (seed, model, epoch, partition). If
  /// rows have weights, losses and metrics are weighted means, and a batch in which no row counts has the loss 0. A
  /// loss that is NaN, infinite or above 1e6 ends the pass: train_loss is +infinity, the weights stay as they were
  /// before that step, and `rows` counts up to that step. With accumulate = N each N batches make one step: their
  /// gradients become the mean of those of their mean losses. The last step of the pass may have fewer batches, over
  /// whose number its mean is. Random numbers are addressed by (seed, model), whichever
  /// model left the state: a clone does not repeat those of its parent. With mixup, train_loss is that of the mixtures.
  /// The CPU stops at once; a GPU runs the remaining steps without effect. `rows_done`, if given, counts on. Throws
  /// TrainingStopped; IndexError for a label that the model has no output for.
  UnitMetrics train(const data::Partition& partition, Epoch epoch, PartitionId id, std::stop_token stop = {},
                    std::atomic<std::uint64_t>* rows_done = nullptr);
  /// One epoch of the loaded state as replicas(), one for each of `passes`: each passes over every row of its
  /// partition, in the order and in the batches in which train() would; once, or ReplicaOptions::average_passes times.
  /// Step t of an epoch has batch t of each replica; a replica without rows is left out, and the others count by their
  /// rows, or by the weights of their rows. Random numbers of replica 0 are addressed as in train(), those of the
  /// others by (seed, model, replica): one replica is train(), bit for bit.
  ///
  /// ShareGradients: the gradients of a step become their mean, then comes one update. The buffers (running statistics)
  /// are those of the first replica; the others begin each step with them. With BatchNormStatistics::Synchronised each
  /// BatchNorm takes the statistics of all replicas of the step, so a step is one of all rows together, up to rounding;
  /// the replicas of this trainer then take turns on threads of their own, one computing at a time. ShareWeights: see
  /// ReplicaOptions; floating buffers and what the optimizer carries (the averages of [model] ema and swa_start) are
  /// averaged, too; integers are those of the first replica. A lost loss ends the epoch as in train(); with
  /// ShareWeights the state is then that of the last average, and `rows` counts up to it. Throws as train().
  ///
  /// PushGradients: each replica computes with the weights and buffers of its own, one update follows from each
  /// gradient alone, and then the replica takes the weights (Arrivals). The order is Group::arrivals, or the replicas
  /// in turns; the metrics have it. Random numbers are those of (seed, model, replica, updates before the epoch,
  /// batch): the order does not change them. The buffers are those of the first replica. A lost loss ends the epoch as
  /// in train(). Throws StateError for an order that does not fit.
  ///
  /// With a group, this member trains the replicas that it owns, asks `rows` for their partitions only, and shares with
  /// the others: all members return the same metrics, except for times, and have the same state, which is that of one
  /// trainer with all replicas. Throws MemberLost. Unless they use ReduceExchange::Direct, the state depends on the
  /// members; that of one trainer is the same if it gets their `owners` without a wire. With PushGradients member 0
  /// alone has the state and the metrics; the order is that in which gradients come. One trainer that gets this order
  /// has the same state.
  UnitMetrics train_replicas(std::span<const PartitionId> passes, const PartitionRows& rows, Epoch epoch,
                             std::stop_token stop = {}, std::atomic<std::uint64_t>* rows_done = nullptr,
                             const Group& group = {});
  /// After the last unit of an epoch, before validate() and before its state leaves: with [model] swa_start the average
  /// takes in the weights, unless the loss was lost. Otherwise the state stays as it is.
  void end_epoch(Epoch epoch) {
    if (!is_lost()) updates_.end_epoch(epoch);
  }
  /// After validate(), before the state leaves: with the schedule "plateau" the state learns the metric of the epoch.
  /// Otherwise the state stays as it is.
  void learn_validation(const UnitMetrics& metrics);
  /// Whether learn_validation() changes the state.
  bool learns_validation() const { return updates_.plateau != nullptr; }
  /// Adds valid_loss, valid_accuracy and the other metrics: with [model] ema or swa_start those of the averaged
  /// weights, once there are some. Changes nothing of the state. `steps`, when given, counts the batches.
  void validate(const data::Partition& rows, UnitMetrics& metrics, std::atomic<std::uint64_t>* steps = nullptr);

  /// How many steps have been recorded so far; see kernels/capture.h.
  std::size_t recordings() const { return recordings_; }
  /// In a group: how many buckets of gradients could go to the other members before backward was over, so far.
  std::uint64_t early_exchanges() const { return early_exchanges_; }

 private:
  /// What one recording does. With an exchange a training step is two of them: Gradients and Update.
  enum class Part : std::uint8_t { Training, Gradients, Update, Validation };
  /// The key of a recorded step: what it does, the addresses that it reads, and the sizes.
  struct StepKey {
    Part part;
    const void* block;
    const void* batch;
    std::int64_t rows;
    bool adds = false;        // to the gradients of the step's earlier batches
    std::int64_t pieces = 1;  // batches of the step
    bool operator==(const StepKey&) const = default;
  };
  struct Step {
    StepKey key;
    RecordedWork work;
  };

  /// Where training steps take their rows from. A replica has random numbers and a sum of losses of its own; without
  /// replicas both are undefined.
  struct Lane {
    data::Batches* batches = nullptr;
    Tensor key{};   // () i64
    Tensor loss{};  // () f64
    // With synchronised BatchNorm layers; otherwise empty.
    std::shared_ptr<kernels::ReplicaTalk> talk{};
    Tensor share{};                // () f32: of this replica's loss in that of the step
    ReplicaModule* own = nullptr;  // null: the trainer's module
  };
  class Replicated;
  /// Where a pass stands whose steps have several batches.
  struct Piece {
    std::int64_t number = 0;        // of the batch within its step
    std::int64_t of = 1;            // batches of the step
    std::int64_t batches_left = 0;  // of the pass
    std::int64_t rows = 0;          // of the step so far
  };

  std::unique_ptr<data::Batches> make_batches(std::int64_t rows) const;
  void keep_steps_of(std::size_t lanes);
  void check_sharing() const;
  bool synchronises() const;
  void check_synchronised() const;
  void check_pushing() const;
  void begin_passes(Epoch epoch);
  /// `step`: as the optimizer counts.
  double rate_at(std::int64_t step) const {
    return updates_.plateau ? plateau_rate_ : schedule_(epoch_start_.value_or(step));
  }
  void begin_pieces(const data::Partition& partition);
  void train_piece(std::int64_t rows);
  void end_pieces();
  void end_passes(UnitMetrics& metrics, Epoch epoch, std::int64_t passes);
  Tensor random_key() const;
  /// Of models without replicas.
  std::uint64_t usual_key() const;
  /// Writes a key, an integer of 64 bits, which no floating scalar could carry.
  static void write_word(const Tensor& to, std::uint64_t value);
  void write_usual_key() { write_word(random_key(), usual_key()); }
  Tensor loss_sum() const;
  bool is_lost() const;
  bool is_lost_on_host() const;
  /// `module`, if it has a loss of its own. Throws ConfigError unless that is the loss of the experiment.
  nn::Unsupervised* unsupervised(nn::Module& module) const;
  Tensor loss_of(const Tensor& output, const data::Batch& batch) const;
  void measure_loss(const Tensor& loss, const data::Batch& batch, const Tensor& meter) const;
  Tensor sums_of(const nn::Metric& metric, const Tensor& answers, const data::Batch& batch) const;
  Tensor gradient_block();
  void train_batch(std::int64_t rows);
  void make_gradients(const data::Batch& batch);
  Tensor mixed_loss(nn::Module& module, nn::Mixup& mixup, const data::Batch& batch);
  void validation_step(const data::Batch& batch);
  void make_own_sums(const data::Batch& batch);
  void read_own_metrics(std::int64_t rows, UnitMetrics& metrics) const;
  void run_step(Part part, std::int64_t rows, const Recording::OnGradient& on_gradient = {});
  void compute(Part part);
  RecordedWork& step_of(const StepKey& key);

  const Experiment& experiment_;
  const data::Dataset& dataset_;
  ModelId model_;
  Config config_;
  std::string key_;
  const Replicas replicas_;
  std::shared_ptr<nn::Module> module_;
  std::optional<nn::Mixup> mixup_;  // none: rows as they are
  Updates updates_;
  optim::Optimizer* const optimizer_;  // of updates_
  optim::LRSchedule schedule_;
  GradientLimits limits_;
  std::int64_t accumulate_;  // batches of one step
  Piece piece_;
  double plateau_rate_ = 0;  // of the pass, with the schedule "plateau"
  // With a schedule of epochs: the first step of the epoch that is trained, if a scaler of gradients left none out.
  std::optional<std::int64_t> epoch_start_;
  nn::Loss loss_;
  nn::WeightedLoss weighted_loss_;  // empty where rows have no weights
  nn::Output output_;
  nn::TargetScaling scaling_;
  std::shared_ptr<Exchange> exchange_;
  std::unique_ptr<nn::StateBlock> state_;
  std::shared_ptr<const data::DeviceRows> rows_;
  std::unique_ptr<data::Batches> batches_;
  std::unique_ptr<data::Batches> validation_;
  Lane lane_;
  std::shared_ptr<Replicated> replicated_;  // null before the first epoch of replicas
  Tensor meter_, validation_meter_;         // see kernels::measure
  Tensor correct_;     // (): validation rows whose largest output is the label's; i64, or their weights in f64
  Tensor row_weight_;  // () f64: the validation rows over the sum of their weights
  bool measures_accuracy_;
  std::vector<nn::Metric> own_metrics_;
  std::vector<Tensor> own_sums_;  // of each of them, over the validation rows so far: f64; empty before the first batch

  bool captures_;
  RecentlyUsed<Step> steps_;
  std::size_t recordings_ = 0;
  std::uint64_t early_exchanges_ = 0;
  std::shared_ptr<MemoryPool> pool_;  // of all recorded steps, because no two run at the same time
  double first_lr_;                   // the optimizer's, for configurations without lr
};

}  // namespace hop::hopper
