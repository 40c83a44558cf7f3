// Final states whose files in a run directory are lost. Internal to Hopscotch.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hopper/experiment.h"
#include "hopper/journal.h"

namespace hop::hopper {

/// Reads every model file of a run. The journal, and `contents`, get a Rollback for each that is gone, damaged or not
/// what was collected: the model is trained again, to the same bits. A damaged file is kept as `.damaged`. Returns a
/// line for people for each.
std::vector<std::string> give_up_lost_files(const Experiment& experiment, const std::filesystem::path& run_directory,
                                            Journal& journal, JournalContents& contents);

}  // namespace hop::hopper
