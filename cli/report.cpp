// hop report RUN_DIR: the leaderboard of a run, finished, interrupted or still going; or the same for programs.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "hopper/detail/run_directory.h"
#include "hopper/run.h"

namespace hop::cli {
namespace {

struct ReportArguments {
  std::string directory;
  bool json = false, csv = false;
  std::size_t top = 0;
};

std::string strategy_of(const hopper::Results& results) {
  if (results.passes_of_an_epoch == 1) return results.strategy;
  return results.strategy + " (an epoch is " + std::to_string(results.passes_of_an_epoch) + " passes over the rows)";
}

void print_for_people(const hopper::Results& results, std::size_t top) {
  std::uint64_t units = 0;
  for (const hopper::ModelResult& model : results.models) units += model.visits.size();
  std::printf(
      "%s: %s, %zu models, %u partitions, %u workers, %llu units, %llu hops, %.1f MB of states between workers, "
      "gap p50 %.2f ms p99 %.2f ms\n\n",
      results.name.c_str(), strategy_of(results).c_str(), results.models.size(), results.partitions, results.workers,
      static_cast<unsigned long long>(units), static_cast<unsigned long long>(results.hops),
      static_cast<double>(results.network.hop) / 1e6, results.gap.p50_ms, results.gap.p99_ms);
  std::fputs(hopper::leaderboard(results, top).c_str(), stdout);
  if (results.is_running) {
    std::puts("\nrunning");
  } else if (results.outcome == hopper::Outcome::Interrupted) {
    const bool is_remote = hopper::has_remote_states(results.run_directory);
    if (results.is_durable)
      std::printf("\ninterrupted; to go on: hop resume %s%s\n", results.run_directory.c_str(),
                  is_remote ? " --listen HOST:PORT --key-file FILE" : "");
    else
      std::puts("\ninterrupted; durable = false kept no state, so the run cannot go on");
  }
}

// The file as it stands, if it tells of these models: it knows times and bytes that the journal does not have.
std::string json_of(const hopper::Results& results) {
  const std::filesystem::path file = results.run_directory / "results.json";
  if (!hopper::is_current(file, results)) return hopper::to_json(results);
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

int report(const ReportArguments& arguments) {
  const hopper::Results results = hopper::inspect(arguments.directory);
  tell_source_change(arguments.directory);
  if (arguments.json) {
    std::fputs(json_of(results).c_str(), stdout);
  } else if (arguments.csv) {
    std::fputs(hopper::to_csv(results).c_str(), stdout);
  } else {
    print_for_people(results, arguments.top);
  }
  return kOk;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = app.add_subcommand("report", "Print the leaderboard of a run");
  command->add_option("run_dir", arguments->directory, "The run directory")->required();
  auto* json = command->add_flag("--json", arguments->json, "What results.json has, as the run stands now");
  auto* csv = command->add_flag("--csv", arguments->csv, "A line per model, best first")->excludes(json);
  command->add_option("--top", arguments->top, "Only the best N models")
      ->transform(whole_number(1))
      ->excludes(json)
      ->excludes(csv);
  command->callback([=, &action] { action = [=] { return report(*arguments); }; });
}

}  // namespace hop::cli
