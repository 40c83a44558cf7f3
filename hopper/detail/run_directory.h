// The files of a run (DESIGN.md, section 3): experiment.toml, journal, results.json, models/, nodes/, data/, log.
// Internal to Hopscotch.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hopper/experiment.h"

namespace hop::hopper {

namespace fs = std::filesystem;

/// A run directory under construction: removed again unless `keep` was called, so that a run that could not begin
/// leaves nothing behind.
class NewRunDirectory {
 public:
  /// Creates `path`, or with an empty path a private temporary directory. Throws ConfigError when it exists.
  explicit NewRunDirectory(const fs::path& path);
  ~NewRunDirectory();
  NewRunDirectory(const NewRunDirectory&) = delete;
  NewRunDirectory& operator=(const NewRunDirectory&) = delete;
  const fs::path& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  fs::path path_;
  bool kept_ = false;
};

/// Creates a folder and its missing parents so that they survive a power cut. Throws RunError.
void create_folder(const fs::path& path);
/// Writes a file whole or not at all, and durably. Throws RunError.
void write_file(const fs::path& path, std::string_view text);
/// The text of a file of a run. Throws ConfigError that says that the directory holds no run.
std::string read_run_file(const fs::path& run_directory, const char* name);
/// What each of `workers` computed on, as results.json says; empty before there is one.
std::vector<std::string> read_devices(const fs::path& run_directory, std::uint32_t workers);
/// The experiment of a run, with `builder` put back in where the model is the application's code.
Experiment read_experiment(const fs::path& run_directory, ModelBuilder builder);

}  // namespace hop::hopper
