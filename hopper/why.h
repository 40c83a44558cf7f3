// The waits of a run in progress.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hop::hopper {

/// One thing that a worker does or a model waits for.
struct Wait {
  std::string who{};   ///< "worker 2", "model 7"
  std::string what{};  ///< "waits for worker 1, which is started again (silent for 2.5 s)"
  double seconds = 0;
};

/// A snapshot of a live run that its coordinator wrote (the file `status` of the run directory).
struct RunStatus {
  int process = 0;       ///< the coordinator's
  double age = 0;        ///< seconds since it was written; more than a few mean that the coordinator stands still
  bool is_live = false;  ///< a process holds the lock of the run
  std::string strategy_choice{};  ///< Results::strategy_choice
  std::vector<Wait> workers{};
  std::vector<Wait> models{};     ///< models that train or wait; at most kListedModels
  std::size_t models_listed = 0;  ///< how many models train or wait
  std::size_t models_done = 0;
  std::vector<Wait> coordinator = {};  ///< what the coordinator itself waits for: "its disk", "writes the log"
};
inline constexpr std::size_t kListedModels = 1000;

/// Reads the snapshot. Throws ConfigError if the directory has no run, or if the run is not in progress.
RunStatus why(const std::filesystem::path& run_directory);

}  // namespace hop::hopper
