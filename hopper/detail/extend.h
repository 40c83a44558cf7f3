// More epochs for a run that had fewer. Internal to Hopscotch.
#pragma once

#include <cstdint>
#include <filesystem>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "hopper/journal.h"

namespace hop::hopper {

/// Whether the search chooses its models for the number of epochs that they have.
bool chooses_for_epochs(const SearchOptions& search);

/// Throws ConfigError if the run cannot have `epochs` epochs, or if its bits would not be those of a run that had them
/// from the start. `experiment` has the epochs that the run has so far.
void check_extension(const Experiment& experiment, std::uint32_t epochs, const data::Dataset& dataset,
                     const JournalContents& contents);

/// Gives the final states of finished models back to the nodes that trained them last, and then writes down that the
/// run is extended. `experiment` has the new epochs afterwards. If it is killed in the middle, the run is as before.
void extend(Experiment& experiment, std::uint32_t epochs, const std::filesystem::path& run_directory, Journal& journal,
            JournalContents& contents);

}  // namespace hop::hopper
