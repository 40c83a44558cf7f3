// A clone begins with the state of its parent, so both must have the same layout. Internal to Hopscotch.
#pragma once

#include <memory>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "hopper/search/search.h"

namespace hop::hopper {

/// `search`, each of whose clones is checked. `ask` throws ConfigError for a clone whose hyperparameters change the
/// layout of the state (another width, another optimizer), or the steps that its schedule counts. It names them. The
/// references outlive the search.
std::unique_ptr<Search> check_clones(std::unique_ptr<Search> search, const Experiment& experiment,
                                     const data::Dataset& dataset);

}  // namespace hop::hopper
