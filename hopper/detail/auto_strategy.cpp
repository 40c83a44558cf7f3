#include "hopper/detail/auto_strategy.h"

#include <algorithm>

#include "base/error.h"
#include "base/words.h"
#include "hopper/detail/pilot.h"

namespace hop::hopper {
namespace {

[[noreturn]] void refuse_unmeasured(std::span<const Candidate> candidates) {
  std::vector<std::string_view> names;
  for (const Candidate& candidate : candidates) {
    if (candidate.is_possible()) names.push_back(candidate.strategy);
  }
  throw ConfigError(
      "[run] strategy: expected the name of a strategy for workers of other machines, got \"auto\" between " +
      list_of(names) + ": their times and their network are unknown before they come; write one of these names, and " +
      "`hop simulate FILE --measured RUN_DIR --network 1Gbit,0.1ms --strategies A,B` says how long each takes");
}

}  // namespace

std::vector<std::string> choices_of(const RunSettings& run) {
  return run.choose_from.empty() ? std::vector<std::string>{"hopping", "task_parallel"} : run.choose_from;
}

std::string settle_strategy(Experiment& experiment, const data::Dataset& dataset, const RunOptions& options) {
  if (!is_auto(experiment.run.strategy)) return {};
  const bool is_of_machines = options.hosting == Hosting::Remote;
  const std::string policy = experiment.run.policy.name();
  const std::vector<Candidate> candidates = candidates_of({choices_of(experiment.run),
                                                           {dataset.partition_count(), experiment.run.workers},
                                                           experiment.run.order,
                                                           policy,
                                                           is_of_machines});
  const auto possible = std::ranges::count_if(candidates, &Candidate::is_possible);
  if (possible > 1 && is_of_machines) refuse_unmeasured(candidates);
  StrategyChoice choice;
  if (possible > 1) {
    Experiment pilot = experiment;
    pilot.run.strategy = std::ranges::find_if(candidates, &Candidate::is_possible)->strategy;
    choice = choose_strategy(candidates, measure_job(pilot, dataset, options), policy);
  } else {
    choice = only_choice(candidates);
  }
  experiment.run.strategy = choice.strategy;
  experiment.run.strategy_choice = choice.why;
  return "strategy = \"auto\" chose " + choice.why;
}

}  // namespace hop::hopper
