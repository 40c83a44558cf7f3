// From a configuration of the search to its module, its optimizer and its schedule.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "nn/clip_grad.h"
#include "nn/mixup.h"
#include "nn/model.h"
#include "nn/optim/carried_plateau.h"
#include "nn/optim/grad_scaler.h"
#include "nn/optim/lr_scheduler.h"
#include "nn/optim/optimizer.h"
#include "nn/optim/weight_average.h"

namespace hop::hopper {

/// The hyperparameters that a model and its training read.
std::vector<std::string> names_read(const ModelOptions& model);
/// The hyperparameters that a layer of a spec reads: pad and width for "conv2d $width 3 padding=${pad}".
std::vector<std::string> names_in_layer(const std::string& layer);

/// Builds the module of a configuration from its family, spec or the application's builder; never null. Throws
/// ConfigError, also for a hyperparameter that nothing reads.
std::shared_ptr<nn::Module> build_module(const Experiment& experiment, const Config& config,
                                         const data::Dataset& dataset);

/// How to build the module of a configuration without the application; empty if the application's code builds it.
nn::ModelDescription describe_model(const ModelOptions& model, const Config& config);

/// Limits of the gradient of a step; 0: none.
struct GradientLimits {
  double norm = 0;   ///< of all elements together (nn::clip_grad_norm_)
  double value = 0;  ///< of each element (nn::clip_grad_value_), applied first
};

/// What changes the weights of a model, and is a part of its state beside them.
struct Updates {
  std::unique_ptr<optim::Optimizer> optimizer{};  ///< never null
  std::optional<optim::WeightAverage> average{};  ///< in the optimizer's state; none without [model] ema or swa_start
  std::uint32_t swa_start = 0;                    ///< as ModelOptions::swa_start
  /// In the optimizer's state; null without [model] grad_scaler.
  std::unique_ptr<optim::GradScaler> scaler{};
  /// In the optimizer's state; null unless the schedule is "plateau".
  std::unique_ptr<optim::CarriedPlateau> plateau{};

  /// The loss to differentiate: the scaled one, with a scaler.
  Tensor scaled(const Tensor& loss) const { return scaler ? scaler->scale(loss) : loss; }
  /// Before step(): limits the gradients, without their scale.
  void clip(const nn::Module& module, const GradientLimits& limits) {
    if (limits.norm == 0 && limits.value == 0) return;
    if (scaler) scaler->unscale_();
    if (limits.value > 0) nn::clip_grad_value_(module, limits.value);
    if (limits.norm > 0) nn::clip_grad_norm_(module, limits.norm);
  }
  /// One update of the weights, and with ema one of the average. With a scaler both are left out if a gradient is
  /// infinite or NaN, and the scale of the next step is set.
  void step() {
    scaler ? scaler->step() : optimizer->step();
    if (average && swa_start == 0) average->update();
    if (scaler) scaler->update();
  }
  /// After the last step of an epoch: with swa_start one update of the average.
  void end_epoch(Epoch epoch) {
    if (average && swa_start != 0 && number_of(epoch) >= swa_start) average->update();
  }
  /// The average whose values answer in place of the weights; null without one, and before its first update.
  const optim::WeightAverage* answering() const {
    return average && average->n_averaged().item<std::int64_t>() > 0 ? &*average : nullptr;
  }
};
/// The optimizer of a configuration, for the module's parameters: by name, or the application's. With [model] ema or
/// swa_start it carries the averages of the weights, with [model] grad_scaler the scale, with the schedule "plateau"
/// its memory. no_decay and lr_factors set the scales of its parameters. Throws ConfigError.
Updates make_updates(const Experiment& experiment, const Config& config, nn::Module& module);
/// The options of the schedule "plateau"; none for another one. Throws ConfigError.
std::optional<optim::ReduceLROnPlateauOptions> plateau_options(const Experiment& experiment, const Config& config);
/// The metric that the schedule "plateau" follows: the objective's, or the validation loss for the training loss.
Objective plateau_metric(const Experiment& experiment);

/// The loss of the experiment: by name, or the application's, which throws ShapeError unless it gives a scalar. Throws
/// ConfigError.
nn::Loss make_loss(const ModelOptions& model, Device device = Device::cpu());
/// What mixes the rows of a batch; none for mixup = 0. Throws ConfigError for rows that hold indices: categories as
/// indices, and integers other than bytes, which may be indices. Throws it for rows with weights, too.
std::optional<nn::Mixup> make_mixup(const Experiment& experiment, const data::Dataset& dataset);
/// The loss of the experiment for rows with weights; empty for a data set without. Throws ConfigError for a loss and
/// for metrics of the application that cannot be weighted.
nn::WeightedLoss make_weighted_loss(const ModelOptions& model, const data::Dataset& dataset,
                                    Device device = Device::cpu());
/// The meaning of the model's outputs: the loss gives it. A loss of the application learns what the data set has.
nn::Output output_of(const ModelOptions& model, data::TargetKind labels);
/// The source of an experiment, read for its loss: its labels are classes or numbers, as the loss wants them.
data::DataOptions data_options(const Experiment& experiment);
/// The metrics that are measured beside the accuracy, in the order of the experiment. Throws ConfigError.
std::vector<nn::Metric> own_metrics(const ModelOptions& model);
/// Whether the metric of that name is measured.
bool measures(const ModelOptions& model, std::string_view name);

/// How the strategy of the experiment lets replicas of a model share; None also where a strategy of the application is
/// missing.
Replicas replicas_of(const Experiment& experiment);
/// The partitions of a unit, of which the last one of an epoch may have fewer.
std::int64_t passes_of_a_unit(const Experiment& experiment, const data::Dataset& dataset);
/// How often an epoch passes over each partition: [run] average_passes where replicas share weights, otherwise once. A
/// run that chooses its strategy has one pass, too.
std::uint32_t passes_of_an_epoch(const Experiment& experiment);
/// After how many more steps the strategy of the experiment applies gradients. 0: at once.
std::uint32_t staleness_of(const Experiment& experiment);
/// Whether BatchNorm layers normalise with the statistics of all replicas of a step. False also where the run chooses
/// its strategy, or where a strategy of the application is missing.
bool synchronises_batchnorm(const Experiment& experiment);
/// Throws ConfigError, which begins with `where`: synchronised BatchNorm layers need the CPU.
[[noreturn]] void refuse_synchronised_on(const std::string& where, const std::string& device);
/// With Replicas::PushGradients: the bound of Arrivals; none: there is none.
std::optional<std::uint32_t> bound_of(const Experiment& experiment);

/// The learning rate by optimizer step, over all epochs of the experiment. It starts from lr of the configuration. With
/// schedule_by = "epoch" it is the same in all steps of an epoch. With "plateau" it is the first rate (Updates::plateau
/// has the rest). Without lr, and for an optimizer of the application, it starts from the rate that the optimizer was
/// made with
/// (`first_lr`). From epoch [model] swa_start on, it anneals to swa_lr if there is one. With replicas it is multiplied
/// as [run] lr_scale says. Throws ConfigError.
optim::LRSchedule make_schedule(const Experiment& experiment, const Config& config, const data::Dataset& dataset,
                                double first_lr);

/// Whether the schedule counts epochs, and not optimizer steps. Throws ConfigError.
bool counts_epochs(const Config& config);

/// The scaling of features before they enter a model: the experiment's, or else the one that the data set fitted.
data::Scaling scaling_of(const Experiment& experiment, const data::Dataset& dataset);

/// The hyperparameter. A batch size beyond a partition means all of the partition's rows. Throws ConfigError below 1.
std::int64_t batch_size(const Config& config);
/// Rows of one batch: batch_size(config), or the share of one replica in it with [run] batch = "global". Throws
/// ConfigError if the replicas cannot share it evenly.
std::int64_t batch_rows(const Experiment& experiment, const Config& config, const data::Dataset& dataset);
/// Updates of the weights in one epoch, in all of its passes: one for each batch, or for each accumulated_batches() of
/// a pass, or for each batch of the replica that has the most where replicas share gradients or weights.
std::int64_t steps_per_epoch(const Experiment& experiment, const Config& config, const data::Dataset& dataset);

/// clip_grad_norm and clip_grad_value. Throws ConfigError below 0.
GradientLimits gradient_limits(const Config& config);
/// The hyperparameter accumulate: how many batches of a pass make one step. Throws ConfigError unless it is 1 to
/// kMostPieces, and for more than 1 where a strategy has replicas.
std::int64_t accumulated_batches(const Experiment& experiment, const Config& config);
inline constexpr std::int64_t kMostPieces = 1'000'000;

/// The last batch of a partition may have one row. Throws ConfigError if one has and `module` cannot be trained with
/// one row: a batch normalisation would divide by the variance of a single value. (If it is synchronised, it may have
/// one row where another replica has rows in the same step.) The check is a forward pass of the module (on the CPU,
/// with a random key), which leaves parameters and buffers as they were.
void check_last_batches(nn::Module& module, const Experiment& experiment, const Config& config,
                        const data::Dataset& dataset);

/// Models with equal keys can be trained in one trainer, one after the other. The key is everything but the learning
/// rate and its schedule, which are read when a step runs. (Whether there is an lr is part of it: without one the
/// trainer's optimizer has the rate.) Models that the application's code builds have different keys.
std::string architecture_key(const Experiment& experiment, ModelId model, const Config& config);

}  // namespace hop::hopper
