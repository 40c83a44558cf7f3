// Optimizers and schedules from a configuration's text values, for experiment files.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/config_text.h"
#include "nn/optim/lr_scheduler.h"
#include "nn/optim/optimizer.h"
#include "nn/optim/scheduler.h"

namespace hop::optim {

/// One optimizer of kernels/update_rules.h, or LAMB, by name.
struct OptimizerRow {
  std::string name{};  ///< "adamw"
  std::string_view doc{};
  std::vector<std::pair<std::string_view, std::string>>
      settings{};  ///< the hyperparameters that it reads: name, default
  std::unique_ptr<Optimizer> (*make)(const nn::ConfigText& config, const ParameterList& parameters) = nullptr;
};

/// All of them: those of the list UpdateRule, then LAMB.
std::span<const OptimizerRow> optimizers();

/// The optimizer that `config` describes: `optimizer` names the row (default "sgd"), and the row's settings are read.
/// Ignores other names. Throws ConfigError for an unknown optimizer, and for a value that is of another type or out of
/// range.
std::unique_ptr<Optimizer> make_optimizer(const nn::ConfigText& config, const ParameterList& parameters);

/// One schedule, by name. `lr` is the rate at the start, for one_cycle the highest one.
struct ScheduleRow {
  std::string_view name{};
  std::string_view doc{};
  std::vector<std::pair<std::string_view, std::string>> settings{};  ///< as OptimizerRow::settings
  LRSchedule (*make)(const nn::ConfigText& config, double lr, std::int64_t total_steps) = nullptr;
};

/// All of them.
std::span<const ScheduleRow> schedules();

/// The schedule that `config` describes: `schedule` names the row (default "constant"), and `lr` (default `default_lr`)
/// and the row's settings are read. t counts optimizer steps, of which there are `total_steps`. Throws ConfigError as
/// make_optimizer().
LRSchedule make_lr_schedule(const nn::ConfigText& config, std::int64_t total_steps, double default_lr = 1e-3);

/// Whether the rate depends on t: for "plateau" it does not, and for "constant" only with a factor.
bool counts_steps(const nn::ConfigText& config);

/// The options of the schedule "plateau", which follows a metric and not t: make_lr_schedule() gives its first rate.
/// None for another schedule. `mode` is the metric's. Throws ConfigError for a value that is of another type or out of
/// range.
std::optional<ReduceLROnPlateauOptions> plateau_options(const nn::ConfigText& config, Extremum mode);

}  // namespace hop::optim
