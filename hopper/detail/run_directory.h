// The files of a run (DESIGN.md, section 3): experiment.toml, journal, results.json, models/, nodes/, data/, log, lock.
// Internal to Hopscotch.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "hopper/experiment.h"

namespace hop::hopper {

namespace fs = std::filesystem;

/// Held by the process that runs or resumes a run, from the first moment to the last: RUN_DIR/lock, which the kernel
/// lets go of when the process is gone, however it went.
class RunLock {
 public:
  /// Throws ConfigError when another process holds it.
  explicit RunLock(const fs::path& run_directory);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  Descriptor fd_;
};

/// Whether a process runs or resumes the run. Asks without taking the lock.
bool is_running(const fs::path& run_directory);

/// A run directory under construction, locked. Removed again unless `keep` was called, so that a run that could not
/// begin leaves nothing behind (of a folder that was there before, its contents).
class NewRunDirectory {
 public:
  /// Creates `path`, for its owner alone, or takes the empty folder that is there; with an empty path a private
  /// temporary directory. Throws ConfigError where something else is there, with what to do.
  explicit NewRunDirectory(const fs::path& path);
  ~NewRunDirectory();
  NewRunDirectory(const NewRunDirectory&) = delete;
  NewRunDirectory& operator=(const NewRunDirectory&) = delete;
  const fs::path& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  fs::path path_;
  bool created_ = false, kept_ = false;
  std::optional<RunLock> lock_;
};

/// Creates a folder and its missing parents so that they survive a power cut. Throws RunError.
inline void create_folder(const fs::path& path) { hop::create_folder(path, raise<RunError>); }
/// Writes a file whole or not at all, and durably. Throws RunError.
inline void write_file(const fs::path& path, std::string_view text) {
  write_file_atomically(path, as_bytes(text), raise<RunError>);
}
/// Removes what killed writers left in the run directory. To be called under the lock.
void remove_leftovers(const fs::path& run_directory);

/// Whether the directory holds a journal from which a run can go on. Without one the run was ended before anything was
/// trained: an unreadable journal counts only where there are states that it may speak of.
bool has_begun(const fs::path& run_directory);

/// The text of a file of a run. Throws ConfigError that says that the directory holds no run.
std::string read_run_file(const fs::path& run_directory, const char* name);
/// What each of `workers` computed on, as results.json says; empty before there is one.
std::vector<std::string> read_devices(const fs::path& run_directory, std::uint32_t workers);
/// The experiment of a run, with the objects of `own` put back in where they are the application's code.
Experiment read_experiment(const fs::path& run_directory, const Experiment& own);
/// An experiment that holds this one object.
Experiment with_builder(ModelBuilder builder);
/// The same for callers that need no object: the builder gives null, other objects are missing.
Experiment read_options(const fs::path& run_directory);

}  // namespace hop::hopper
