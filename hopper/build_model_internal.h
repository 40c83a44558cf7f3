// What the sources of hopper/build_model.h share.
#pragma once

#include "hopper/config.h"
#include "hopper/experiment.h"
#include "nn/config_text.h"

namespace hop::hopper {

/// The values as nn and optim read them.
nn::ConfigText to_config_text(const Config& config);
/// Throws ConfigError for a number of a layer that training would read, too. For those who train: the weights of an
/// older model are whole.
void check_layer_names(const ModelOptions& model, const Config& config);
/// Whether the schedule is "plateau", which has a place in the state.
bool has_plateau(const Config& config);

}  // namespace hop::hopper
