// Hyperparameters that only optimizers or schedules read which an experiment does not choose.
#pragma once

#include "hopper/experiment.h"

namespace hop::hopper {

/// Throws ConfigError for a hyperparameter that only optimizers or only schedules read, none of which the experiment
/// may choose: `momentum` where the optimizer is adam. The same for schedule_by beside a schedule that counts no steps,
/// and for a min_lr that no rate can be lowered to. Training would go on without it. For new runs: an older run may
/// have such a hyperparameter.
void check_settings_read(const Experiment& experiment);

}  // namespace hop::hopper
