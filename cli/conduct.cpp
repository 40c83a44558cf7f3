#include "cli/conduct.h"

#include <cstdio>
#include <filesystem>

#include "cli/commands.h"
#include "cli/display.h"
#include "cli/interrupt.h"

namespace hop::cli {
namespace {

int exit_code(const hopper::Results& results) {
  if (results.outcome == hopper::Outcome::Interrupted) return kInterrupted;
  bool any_came_through = false;
  for (const hopper::ModelResult& model : results.models) {
    if (model.status == "quarantined") return kRunFailed;  // what was asked for is not all there
    any_came_through = any_came_through || model.status != "diverged";
  }
  return any_came_through ? kOk : kRunFailed;
}

}  // namespace

int conduct(const std::filesystem::path& run_directory, hopper::Objective objective, bool json,
            const std::function<hopper::RunResult(const hopper::RunOptions&)>& conduct) {
  hopper::RunControl control;
  const std::unique_ptr<Display> display = make_display(objective, json);
  hopper::RunOptions options;
  options.run_directory = run_directory;
  options.hosting = hopper::Hosting::Processes;
  options.program = std::filesystem::read_symlink("/proc/self/exe");
  options.on_progress = [&](const hopper::RunProgress& progress) { display->show(progress); };
  options.on_notice = [&](const std::string& line) { display->notice(line); };
  options.control = &control;

  hopper::Results results;
  {
    const InterruptHandler interrupts(control);
    results = conduct(options).results;
  }
  if (json) {
    std::fputs(hopper::to_json(results).c_str(), stdout);
  } else {
    std::printf("\n%s\n", hopper::leaderboard(results).c_str());
    if (results.outcome == hopper::Outcome::Interrupted) {
      std::printf("interrupted; to go on: hop resume %s\n", run_directory.c_str());
    }
    std::printf("run directory: %s\n", run_directory.c_str());
  }
  return exit_code(results);
}

}  // namespace hop::cli
