// From a configuration of the search to what trains it: the module, its optimizer, its schedule.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "nn/optim/lr_scheduler.h"
#include "nn/optim/optimizer.h"

namespace hop::hopper {

/// The hyperparameters that a model and its training read.
std::vector<std::string> names_read(const ModelOptions& model);
/// Those that a layer of a spec reads: of "conv2d $width 3 padding=${pad}" pad and width.
std::vector<std::string> names_in_layer(const std::string& layer);

/// Builds the module of a configuration: family, spec or the application's builder; never null. Throws ConfigError,
/// also for a configuration name that nothing reads.
std::shared_ptr<nn::Module> build_module(const Experiment& experiment, const Config& config,
                                         const data::Dataset& dataset);

/// The optimizer of a configuration, for the module's parameters: by name, or the application's. Throws ConfigError.
std::unique_ptr<optim::Optimizer> make_optimizer(const Experiment& experiment, const Config& config,
                                                 const nn::Module& module);

/// The loss of the experiment: by name, or the application's, which throws ShapeError unless it gives a scalar. Throws
/// ConfigError.
nn::Loss make_loss(const ModelOptions& model);
/// The application's metrics, in the order of the experiment. Throws ConfigError.
std::vector<nn::Metric> own_metrics(const ModelOptions& model);
/// Whether the metric of that name is measured.
bool measures(const ModelOptions& model, std::string_view name);

/// The learning rate by optimizer step, over all epochs of the experiment. Throws ConfigError.
optim::LRSchedule make_schedule(const Experiment& experiment, const Config& config, const data::Dataset& dataset);

/// What is done to features before they enter a model: what the experiment says, else what the data set fitted.
data::Scaling scaling_of(const Experiment& experiment, const data::Dataset& dataset);

/// Rows per step; a batch that is larger than a partition is all of its rows. Throws ConfigError below 1.
std::int64_t batch_size(const Config& config);

/// Throws ConfigError where batches of so many rows leave a partition a last one of one row and `module` cannot be
/// trained with one: a batch normalisation would divide by the variance of a single value. Asking is a forward pass of
/// the module (on the CPU, with a random key), which leaves parameters and buffers as they were.
void check_last_batches(nn::Module& module, std::int64_t batch, const data::Dataset& dataset);

/// What two models must have in common to be trained in one place, one after the other: everything but the learning
/// rate and its schedule, which are read when a step runs. Models of the application's code have nothing in common.
std::string architecture_key(const Experiment& experiment, ModelId model, const Config& config);

}  // namespace hop::hopper
