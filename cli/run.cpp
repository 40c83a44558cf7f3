// hop run EXPERIMENT.toml: train all models of an experiment, with worker processes of this machine or with workers
// that come from others.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "cli/commands.h"
#include "cli/conduct.h"
#include "hopper/detail/path_text.h"

namespace hop::cli {
namespace {

namespace fs = std::filesystem;

// Makes runs/<name>-<n> for the first free n. If several runs start at once, mkdir gives each its own.
fs::path claim_run_directory(const std::string& name) {
  create_folder("runs", raise<ConfigError>);
  for (int n = 1;; ++n) {
    const fs::path path = fs::path("runs") / (name + "-" + std::to_string(n));
    if (::mkdir(path.c_str(), 0700) == 0) return path;
    if (errno != EEXIST) throw ConfigError("[run] cannot create " + path.string() + ": " + std::strerror(errno));
  }
}

// A source is looked for from the working directory, which may be another folder than that of the experiment file.
void check_source(const hopper::Experiment& experiment, const std::string& file) {
  const fs::path source = experiment.data.source;
  std::error_code ignored;
  const bool is_path = !source.empty() && source != "glyphs" && source != hopper::kOwnCode;
  if (!is_path || source.is_absolute() || fs::exists(source, ignored)) return;
  const fs::path beside = fs::path(file).parent_path() / source;
  std::string message = file + ": [data] source: expected a data set, raw files or \"glyphs\", got nothing at " +
                        source.string() + " in " + fs::current_path().string() + ", the working directory";
  if (fs::exists(beside, ignored)) {
    message += "; beside the experiment file there is one: write source = \"" + hopper::text_of_path(beside) +
               "\", or call hop in " + fs::absolute(file).parent_path().string();
  }
  throw DataError(message);
}

struct RunArguments {
  std::string experiment;
  std::string run_directory;
  int workers = 0;
  std::vector<std::string> overrides;
  std::optional<double> patience;
  Listening listening;
  Telling telling;
};

int run(const RunArguments& arguments) {
  std::vector<std::string> overrides = arguments.overrides;
  if (arguments.workers != 0) overrides.push_back("run.workers=" + std::to_string(arguments.workers));
  const hopper::Experiment experiment = hopper::load_experiment(arguments.experiment, overrides);
  check_source(experiment, arguments.experiment);
  const bool is_claimed = arguments.run_directory.empty();
  const fs::path directory =
      is_claimed ? claim_run_directory(experiment.name) : without_trailing_slash(arguments.run_directory);
  const int code =
      conduct(directory, experiment, arguments.telling, arguments.listening, [&](hopper::RunOptions& options) {
        options.patience = seconds(arguments.patience);
        return hopper::run(experiment, options);
      });
  if (is_claimed && code != kOk) ::rmdir(directory.c_str());  // works only if it is empty: the run could not begin
  return code;
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand("run", "Train the models of an experiment file");
  command->add_option("experiment", arguments->experiment, "The experiment file (TOML)")->required();
  command->add_option("--run-dir", arguments->run_directory,
                      "Where the run's files go; new or empty (default: runs/<name>-<n>)");
  command->add_option("--workers", arguments->workers, "Overrides run.workers")->transform(whole_number(1));
  command->add_option("--set", arguments->overrides, "Overrides a key of the file: --set search.epochs=3")
      ->allow_extra_args(false);
  add_patience(*command, arguments->patience);
  add_listening(*command, arguments->listening);
  add_telling(*command, arguments->telling);
  command->callback([arguments, &action] { action = [arguments] { return run(*arguments); }; });
}

}  // namespace hop::cli
