// The data of a run. Internal to Hopscotch.
#pragma once

#include "data/dataset.h"
#include "hopper/experiment.h"

namespace hop::hopper {

/// The data set of a run that has begun: its own copy, independent of the source. A caller that only needs the
/// description of the rows needs no file of a partition. Throws DataError that says how to get the data back.
data::Dataset open_dataset(const Experiment& experiment, const std::filesystem::path& run_directory,
                           data::Files files = data::Files::all);

}  // namespace hop::hopper
