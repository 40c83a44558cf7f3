// The files of a run (DESIGN.md, section 3): experiment.toml, journal, results.json, models/, nodes/, data/, log, lock;
// while it goes on, status; of a run with workers on other machines, remote.
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

/// A file: the states of the run lie on other machines.
inline constexpr const char* kRemoteMark = "remote";

/// The lock RUN_DIR/lock, held from beginning to end by the process that runs or resumes a run. The kernel releases it
/// when the process is gone for any reason.
class RunLock {
 public:
  /// Throws ConfigError if another process holds it.
  explicit RunLock(const fs::path& run_directory);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  Descriptor fd_;
};

/// Whether a process runs or resumes the run. Does not take the lock.
bool is_running(const fs::path& run_directory);

/// A run directory under construction, locked. Removed again unless `keep` was called, so that a run that could not
/// begin leaves nothing behind. (If the folder existed before, only its contents are removed.)
class NewRunDirectory {
 public:
  /// Creates `path`, accessible to its owner alone, or takes an existing empty folder. An empty path means a private
  /// temporary directory. If something else is there, throws ConfigError with advice.
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
/// Removes the leftovers of killed writers in the run directory. The caller holds the lock.
void remove_leftovers(const fs::path& run_directory);

/// Whether the directory has the file kRemoteMark. A folder of that name is a person's.
bool has_remote_states(const fs::path& run_directory);

/// Where the run keeps a file or a folder, something else would be read as nothing, or waited for (a pipe). Throws
/// ConfigError that names it and says what to do.
void check_places(const fs::path& run_directory);

/// Whether this path, links followed, is a file of the run or lies in one of its folders.
bool belongs_to_run(const fs::path& file, const fs::path& run_directory);

/// Whether the directory has a journal from which a run can go on. If not, the run was ended before anything was
/// trained. An unreadable journal counts only if there are states that it may describe.
bool has_begun(const fs::path& run_directory);

/// The text of a file of a run. Throws ConfigError if the directory does not hold a run.
std::string read_run_file(const fs::path& run_directory, const char* name);
/// The devices of `workers` according to results.json; empty before there is one.
std::vector<std::string> read_devices(const fs::path& run_directory, std::uint32_t workers);
/// The experiment of a run, with the objects of `own` put back in where they are the application's code.
Experiment read_experiment(const fs::path& run_directory, const Experiment& own);
/// An experiment that holds this one object.
Experiment with_builder(ModelBuilder builder);
/// The same for callers that need no object: the builder gives null, other objects are missing.
Experiment read_options(const fs::path& run_directory);

}  // namespace hop::hopper
