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

void add_patience(CLI::App& command, double& patience) {
  command
      .add_option("--patience", patience,
                  "Seconds that a worker may stand still before it is started anew, at least; where units take long, "
                  "it may for 20 times their median")
      ->check(CLI::Range(1.0, 1e6));
}

int conduct(const std::filesystem::path& run_directory, hopper::Objective objective, bool json,
            const std::function<hopper::RunResult(hopper::RunOptions&)>& conduct) {
  hopper::RunControl control;
  std::unique_ptr<Display> display = make_display(objective, json);
  hopper::RunOptions options;
  options.run_directory = run_directory;
  options.hosting = hopper::Hosting::Processes;
  options.program = "/proc/self/exe";  // this very build, whatever lies under its name by now
  options.on_progress = [&](const hopper::RunProgress& progress) { display->show(progress); };
  options.on_notice = [&](const std::string& line) { display->notice(line); };
  options.control = &control;

  hopper::Results results;
  {
    const InterruptHandler interrupts(control);
    results = conduct(options).results;
  }
  display.reset();  // its last lines come before these
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
