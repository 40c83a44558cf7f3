// From a run to a Predictor. Internal to Hopscotch.
#pragma once

#include <memory>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "nn/predictor.h"

namespace hop::hopper {

/// The schema of the data set, with the scaling that the experiment trains with.
data::RowSchema schema_of(const Experiment& experiment, const data::Dataset& dataset);

nn::Predictor make_predictor(const Experiment& experiment, data::RowSchema schema, const Config& config,
                             std::shared_ptr<nn::Module> module);

}  // namespace hop::hopper
