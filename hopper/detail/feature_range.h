// Whether features lie where a loss of Output::Input takes them: LossRow::least to greatest. Internal to Hopscotch.
#pragma once

#include "data/dataset.h"
#include "hopper/experiment.h"

namespace hop::hopper {

/// Of features whose range is known without the rows: bytes that are scaled alike. Throws ConfigError that says which
/// scale to write.
void check_feature_range(const Experiment& experiment, const data::Dataset& dataset);
/// Of all other features: reads the training rows on this node, every one of them. Throws ConfigError that names the
/// first column outside.
void check_features(const Experiment& experiment, const data::Dataset& dataset);

}  // namespace hop::hopper
