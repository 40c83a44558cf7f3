// Final states whose files in a run directory are lost. Internal to Hopscotch.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hopper/experiment.h"
#include "hopper/journal.h"

namespace hop::hopper {

/// A file of a model's state, if the file is gone, damaged, or holds another state than the collected one.
struct LostFile {
  ModelId model;
  std::filesystem::path path;
  std::string why;
};

/// Reads every model file of a run and changes nothing. If the system cannot read a file now, or if it is no regular
/// file, nothing is known about the state: throws StateError that names the file.
std::vector<LostFile> find_lost_files(const Experiment& experiment, const std::filesystem::path& run_directory,
                                      const JournalContents& contents);

/// Appends a Rollback for each file to the journal and to `contents`, so that its model is trained again, to the same
/// bits. Keeps a damaged file as `.damaged`. Returns a line for people for each file.
std::vector<std::string> give_up_lost_files(const std::vector<LostFile>& files, Journal& journal,
                                            JournalContents& contents);

}  // namespace hop::hopper
