// Optimizers and schedules from a configuration's text values, for experiment files.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "nn/config_text.h"
#include "nn/optim/lr_scheduler.h"
#include "nn/optim/optimizer.h"

namespace hop::optim {

/// The optimizer that `config` describes: `optimizer` = "sgd" (default), "adam" or "adamw"; `lr`, `weight_decay`, and
/// `momentum`, `dampening`, `nesterov` or `beta1`, `beta2`, `eps`, with the defaults of the options structs. Ignores
/// other names. Throws ConfigError for an unknown optimizer, and for a value that is not a number or out of range.
std::unique_ptr<Optimizer> make_optimizer(const nn::ConfigText& config, const ParameterList& parameters);

/// The names that `optimizer` and `schedule` may have.
std::span<const std::string_view> optimizer_names();
std::span<const std::string_view> schedule_names();

/// The schedule: `schedule` = "constant" (default), "step" (`step_size`, `gamma`) or "cosine" (`t_max`, default
/// `total_steps`; `eta_min`; `warmup`), all from `lr`. t counts optimizer steps.
LRSchedule make_lr_schedule(const nn::ConfigText& config, std::int64_t total_steps);

}  // namespace hop::optim
