// The data of a run. Internal to Hopscotch.
#pragma once

#include "data/dataset.h"
#include "hopper/experiment.h"

namespace hop::hopper {

/// The data set of a run that has begun: its own copy, independent of the source. A caller that needs only the
/// description of the rows asks for Files::none. Throws DataError that says how to get the data back.
data::Dataset open_dataset(const Experiment& experiment, const std::filesystem::path& run_directory,
                           data::Files files = data::Files::all);

}  // namespace hop::hopper
