// hop why RUN_DIR: the waits of a run in progress.
#include <cstdio>
#include <memory>
#include <string>

#include "base/words.h"
#include "cli/commands.h"
#include "hopper/why.h"

namespace hop::cli {
namespace {

constexpr double kLongWithoutAWord = 5;

void print(const std::vector<hopper::Wait>& waits) {
  for (const hopper::Wait& wait : waits) {
    std::printf("%-10s for %6.1f s  %s\n", wait.who.c_str(), wait.seconds, wait.what.c_str());
  }
}

int why(const std::string& directory) {
  const hopper::RunStatus status = hopper::why(directory);
  std::printf("process %d, %zu models done, %zu to go; as of %.1f s ago\n", status.process, status.models_done,
              status.models_listed, status.age);
  if (!status.strategy_choice.empty()) {
    std::printf("strategy = \"auto\" chose %s\n", printable(status.strategy_choice, 1000).c_str());
  }
  if (status.age > kLongWithoutAWord) {
    std::printf("the coordinator has written nothing for %.0f s: it is stopped, or its disk stands still\n",
                status.age);
  }
  print(status.coordinator);
  print(status.workers);
  print(status.models);
  if (status.models_listed > status.models.size()) {
    std::printf("... and %zu models more\n", status.models_listed - status.models.size());
  }
  return kOk;
}

}  // namespace

void add_why(CLI::App& app, Action& action) {
  auto directory = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("why", "Say what a running run waits for, and since when");
  command->add_option("run_dir", *directory, "The run directory")->required();
  command->callback([=, &action] { action = [=] { return why(*directory); }; });
}

}  // namespace hop::cli
