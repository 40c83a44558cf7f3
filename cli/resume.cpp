// hop resume RUN_DIR: go on with an interrupted run.
#include <filesystem>
#include <memory>
#include <string>

#include "base/files.h"
#include "cli/commands.h"
#include "cli/conduct.h"

namespace hop::cli {
namespace {

int resume(const std::string& directory, double patience, bool json, bool retry) {
  tell_source_change(directory);
  const std::filesystem::path path = without_trailing_slash(directory);
  return conduct(path, hopper::objective_of(path), json, [&](hopper::RunOptions& options) {
    options.patience = seconds(patience);
    options.retry = retry;
    return hopper::resume(directory, options);
  });
}

}  // namespace

void add_resume(CLI::App& app, Action& action) {
  auto directory = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  auto patience = std::make_shared<double>(kPatienceSeconds);
  CLI::App* command = app.add_subcommand("resume", "Go on with an interrupted run");
  command->add_option("run_dir", *directory, "The run directory")->required();
  add_patience(*command, *patience);
  command->add_flag("--json", *json, "Print results.json instead of progress and leaderboard");
  auto retry = std::make_shared<bool>(false);
  command->add_flag("--retry", *retry, "Bring quarantined models back: they train on from their newest states");
  command->callback([=, &action] { action = [=] { return resume(*directory, *patience, *json, *retry); }; });
}

}  // namespace hop::cli
