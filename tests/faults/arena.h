// A small experiment whose runs are disturbed, and the judgement of one that was.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/cli/program.h"
#include "tests/temporary_folder.h"

namespace hop::testing {

enum class ArenaData : std::uint8_t {
  Glyphs,  ///< pictures, and models of one hidden layer
  Table,   ///< two columns, and the smallest models that there are
};

/// How large the experiment is: every model visits every partition once in an epoch.
struct ArenaSize {
  int models = 2;
  int partitions = 2;
  int epochs = 1;
  int workers = 1;
  int rows = 200;
  int hidden = 8;
  ArenaData data = ArenaData::Glyphs;
};

/// The data, the experiment, and the hashes of the run that nobody disturbed ("calm").
class Arena {
 public:
  explicit Arena(const ArenaSize& size);

  const std::filesystem::path& folder() const { return folder_.path(); }
  std::filesystem::path experiment() const { return folder_ / "experiment.toml"; }
  const std::map<int, std::string>& expected() const { return expected_; }
  std::size_t units() const { return units_; }

 private:
  TemporaryFolder folder_;
  std::map<int, std::string> expected_;
  std::size_t units_;
};

/// A disturbed run in a folder of its own, which is removed with the object. Meanwhile TMPDIR leads into the folder and
/// there is no XDG_RUNTIME_DIR, so that the leavings of a killed program are seen.
class Trial {
 public:
  Trial(const Arena& arena, const std::string& name);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path run_directory() const { return folder_ / "r"; }
  /// The words after `hop` that begin the run.
  std::vector<std::string> words_to_run() const;
  /// The words after `hop` that continue the run, as the program's own messages say: `resume` if the run had begun,
  /// otherwise `run`.
  std::vector<std::string> words_to_go_on() const;
  /// Goes on to the end.
  Finished go_on() const;

  /// Says what is wrong with the results of the run, which is over: models or bits that differ from the calm run.
  /// Empty: nothing is.
  std::string wrong_results() const;
  /// The same, and the files that it left behind.
  std::string verdict() const;
  /// The names in TMPDIR. While a run goes on, its folder of sockets is there.
  std::vector<std::string> left_in_tmp() const;
  /// Keeps a copy of the folder beside the arena's and returns its path.
  std::filesystem::path keep() const;

 private:
  const Arena& arena_;
  std::filesystem::path folder_;
  std::optional<std::string> runtime_directory_;  // XDG_RUNTIME_DIR of before
};

/// State files in and below a folder, in the order of their names; none where it is missing.
std::vector<std::filesystem::path> states_in(const std::filesystem::path& folder);

/// The number in an environment variable, or `otherwise`.
int number_from_environment(const char* variable, int otherwise);

}  // namespace hop::testing
