// Final states whose files in a run directory are lost. Internal to Hopscotch.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hopper/experiment.h"
#include "hopper/journal.h"

namespace hop::hopper {

/// A file of a finished model that is gone, damaged or not what was collected.
struct LostFile {
  ModelId model;
  std::filesystem::path path;
  std::string why;
};

/// Reads every model file of a run and changes nothing. Throws StateError that names a file which the system cannot
/// read now, or which is no regular file: nothing is known about the state then.
std::vector<LostFile> find_lost_files(const Experiment& experiment, const std::filesystem::path& run_directory,
                                      const JournalContents& contents);

/// The journal, and `contents`, get a Rollback for each: the model is trained again, to the same bits. A damaged file
/// is kept as `.damaged`. Returns a line for people for each.
std::vector<std::string> give_up_lost_files(const std::vector<LostFile>& files, Journal& journal,
                                            JournalContents& contents);

}  // namespace hop::hopper
