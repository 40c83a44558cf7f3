// `strategy = "auto"` at the start of a run. Internal to Hopscotch.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "hopper/run.h"
#include "hopper/strategy/choice.h"

namespace hop::hopper {

/// The names from which `auto` chooses: run.choose_from, or without it those whose models have the bits of hopping.
std::vector<std::string> choices_of(const RunSettings& run);

/// If the strategy is kAuto: measures if there is a choice, puts the name of the chosen strategy in its place and the
/// reason into run.strategy_choice. Returns a line for people; empty if the strategy has a name already. Throws
/// ConfigError if no strategy is possible, and if there is a choice for workers of other machines, because nothing of
/// them can be measured yet.
std::string settle_strategy(Experiment& experiment, const data::Dataset& dataset, const RunOptions& options);

}  // namespace hop::hopper
