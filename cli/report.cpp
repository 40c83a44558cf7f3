// hop report RUN_DIR: the leaderboard of a run, finished, interrupted or still going.
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "hopper/run.h"

namespace hop::cli {

void add_report(CLI::App& app, Action& action) {
  auto directory = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("report", "Print the leaderboard of a run");
  command->add_option("run_dir", *directory, "The run directory")->required();
  command->callback([=, &action] {
    action = [=] {
      const hopper::Results results = hopper::inspect(*directory);
      tell_source_change(*directory);
      std::uint64_t units = 0;
      for (const hopper::ModelResult& model : results.models) units += model.visits.size();
      std::printf(
          "%s: %zu models, %u partitions, %u workers, %llu units, %llu hops, %.1f MB hopped, gap p50 %.2f ms p99 %.2f "
          "ms\n\n",
          results.name.c_str(), results.models.size(), results.partitions, results.workers,
          static_cast<unsigned long long>(units), static_cast<unsigned long long>(results.hops),
          static_cast<double>(results.network.hop) / 1e6, results.gap.p50_ms, results.gap.p99_ms);
      std::fputs(hopper::leaderboard(results).c_str(), stdout);
      if (results.is_running) {
        std::puts("\nrunning");
      } else if (results.outcome == hopper::Outcome::Interrupted) {
        if (results.is_durable)
          std::printf("\ninterrupted; to go on: hop resume %s\n", results.run_directory.c_str());
        else
          std::puts("\ninterrupted; durable = false kept no state, so the run cannot go on");
      }
      return kOk;
    };
  });
}

}  // namespace hop::cli
