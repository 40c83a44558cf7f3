// A clone begins with the state of its parent, so both must have the same layout. Internal to Hopscotch.
#pragma once

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "hopper/search_talk.h"

namespace hop::hopper {

/// Throws ConfigError for a clone whose hyperparameters change the layout of the state (another width, another
/// optimizer), or the steps that its schedule counts. It names them. The references outlive the check.
CheckClone clone_check(const Experiment& experiment, const data::Dataset& dataset);

}  // namespace hop::hopper
