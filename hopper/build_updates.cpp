// What training does with the gradients of a model: the optimizer and what it carries, limits, pieces of a step, and
// the learning rate.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "hopper/build_model.h"
#include "hopper/build_model_internal.h"
#include "nn/optim/by_name.h"
#include "nn/optim/lr_factors.h"
#include "nn/optim/no_decay.h"

namespace hop::hopper {
namespace {

// By how much replicas multiply the learning rate.
double lr_factor(const Experiment& experiment, const data::Dataset& dataset) {
  const Replicas sharing = replicas_of(experiment);
  if (sharing == Replicas::None || sharing == Replicas::PushGradients) return 1;
  const auto replicas = static_cast<double>(passes_of_a_unit(experiment, dataset));
  switch (experiment.run.replicas.lr_scale.value_or(LrScale::None)) {
    case LrScale::None:
      return 1;
    case LrScale::Linear:
      return replicas;
    case LrScale::Sqrt:
      return std::sqrt(replicas);
  }
  return 1;
}

// From the first step of epoch swa_start on, the rates of [model] swa_lr: one in each epoch, of `epoch_steps` steps.
optim::LRSchedule with_swa_lr(const ModelOptions& model, optim::LRSchedule schedule, std::int64_t epoch_steps) {
  if (!model.swa_lr || model.swa_start == 0) return schedule;
  const std::int64_t first = (std::int64_t{model.swa_start} - 1) * epoch_steps;
  optim::SWALR swa{.lr = schedule(first), .swa_lr = *model.swa_lr};
  if (model.swa_anneal_epochs) swa.anneal_epochs = *model.swa_anneal_epochs;
  if (model.swa_anneal) swa.anneal = *model.swa_anneal;
  const auto by_step = [swa, epoch_steps](std::int64_t t) { return swa(t / epoch_steps); };
  return optim::SequentialLR{.schedules = {std::move(schedule), by_step}, .milestones = {first}};
}

void check_plateau(const Experiment& experiment, const Config& config, const data::Dataset& dataset) {
  if (!has_plateau(config)) return;
  if (!dataset.has_validation()) {
    throw ConfigError(
        "[search.space] schedule: expected validation rows for \"plateau\", which follows their metric, got none; set "
        "rows aside by [data] validation, or take another schedule");
  }
  if (experiment.model.swa_lr) {
    throw ConfigError(
        "[search.space] schedule: expected another schedule than \"plateau\" beside [model] swa_lr, which anneals from "
        "a rate that is known beforehand; leave swa_lr out, or take another schedule");
  }
}

std::unique_ptr<optim::Optimizer> make_optimizer(const Experiment& experiment, const Config& config,
                                                 const nn::Module& module) {
  const NameOr<OptimizerMaker>& own = experiment.model.optimizer;
  if (own.is_missing()) refuse_missing("[model] optimizer");
  if (own.own() != nullptr) return expect_made((*own.own())(config, module.named_parameters()), "[model] optimizer");
  nn::ConfigText settings = to_config_text(config);
  if (!own.name().empty() && !settings.emplace("optimizer", own.name()).second) {
    throw ConfigError("[model] optimizer: expected one place that names the optimizer, got \"" + own.name() +
                      "\" here and another in " + config.to_text());
  }
  return optim::make_optimizer(settings, module.named_parameters());
}

}  // namespace

bool has_plateau(const Config& config) {
  const Value* const schedule = config.find("schedule");
  const auto* const word = schedule != nullptr ? std::get_if<std::string>(schedule) : nullptr;
  return word != nullptr && *word == "plateau";
}

std::optional<optim::ReduceLROnPlateauOptions> plateau_options(const Experiment& experiment, const Config& config) {
  const Objective objective = plateau_metric(experiment);
  return optim::plateau_options(to_config_text(config),
                                is_maximised(objective) ? optim::Extremum::max : optim::Extremum::min);
}

Objective plateau_metric(const Experiment& experiment) {
  const Objective objective = experiment.objective();
  return objective.kind == Objective::TrainLoss ? Objective(Objective::ValidLoss) : objective;
}

Updates make_updates(const Experiment& experiment, const Config& config, nn::Module& module) {
  const ModelOptions& model = experiment.model;
  Updates updates{.optimizer = make_optimizer(experiment, config, module), .swa_start = model.swa_start};
  if (model.ema > 0)
    updates.average.emplace(*updates.optimizer, model.ema);
  else if (model.swa_start > 0)
    updates.average.emplace(*updates.optimizer);
  if (model.grad_scaler) updates.scaler = std::make_unique<optim::GradScaler>(*updates.optimizer);
  if (config.boolean("no_decay", false)) optim::keep_from_decay(*updates.optimizer, module);
  if (config.contains("lr_factors")) optim::scale_parts(*updates.optimizer, config.text("lr_factors"));
  if (const auto options = plateau_options(experiment, config))
    updates.plateau = std::make_unique<optim::CarriedPlateau>(*updates.optimizer, *options);
  return updates;
}

optim::LRSchedule make_schedule(const Experiment& experiment, const Config& config, const data::Dataset& dataset,
                                double first_lr) {
  const std::int64_t epoch_steps = std::max<std::int64_t>(steps_per_epoch(experiment, config, dataset), 1);
  nn::ConfigText settings = to_config_text(config);
  if (experiment.model.optimizer.own() != nullptr) settings.erase("lr");  // its maker made first_lr of it
  check_plateau(experiment, config, dataset);
  const bool is_by_epoch = counts_epochs(config);
  const std::int64_t steps_of_one = is_by_epoch ? epoch_steps : 1, all = epoch_steps * experiment.search.epochs;
  optim::LRSchedule schedule = optim::make_lr_schedule(settings, all / steps_of_one, first_lr);
  if (is_by_epoch) {
    schedule = [by_epoch = std::move(schedule), epoch_steps](std::int64_t t) { return by_epoch(t / epoch_steps); };
  }
  schedule = with_swa_lr(experiment.model, std::move(schedule), epoch_steps);
  const double factor = lr_factor(experiment, dataset);
  if (factor == 1) return schedule;
  return [schedule = std::move(schedule), factor](std::int64_t t) { return schedule(t) * factor; };
}

bool counts_epochs(const Config& config) {
  const std::string by = config.text("schedule_by", "step");
  if (by == "step" || by == "epoch") return by == "epoch";
  throw ConfigError("[search.space] schedule_by: expected \"step\" or \"epoch\", got \"" + printable(by) + "\"");
}

GradientLimits gradient_limits(const Config& config) {
  const auto limit = [&](const char* name) {
    const double value = config.number(name, 0);
    if (std::isfinite(value) && value >= 0) return value;
    throw ConfigError("[search.space] " + std::string(name) + ": expected at least 0, got " + shortest(value));
  };
  return {.norm = limit("clip_grad_norm"), .value = limit("clip_grad_value")};
}

std::int64_t accumulated_batches(const Experiment& experiment, const Config& config) {
  const std::int64_t batches = config.integer("accumulate", 1);
  if (batches < 1 || batches > kMostPieces) {
    throw ConfigError("[search.space] accumulate: expected 1 to " + std::to_string(kMostPieces) + " batches, got " +
                      std::to_string(batches));
  }
  if (batches == 1 || replicas_of(experiment) == Replicas::None) return batches;
  throw ConfigError("[search.space] accumulate: expected 1 with a strategy whose replicas share steps, got " +
                    std::to_string(batches) +
                    ": a step has a batch of each replica already; leave accumulate out, or write strategy = "
                    "\"hopping\"");
}

}  // namespace hop::hopper
