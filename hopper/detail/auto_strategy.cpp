#include "hopper/detail/auto_strategy.h"

#include <algorithm>
#include <exception>
#include <map>

#include "base/error.h"
#include "base/words.h"
#include "hopper/build_model.h"
#include "hopper/detail/pilot.h"
#include "hopper/detail/run_checks.h"

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

// What check_models() says of the experiment with a candidate, before anything is measured. Candidates of one kind of
// replicas get one answer. If none is left, the first one's error is the run's: it says what to write.
void refuse_unfit(std::vector<Candidate>& candidates, const Experiment& experiment, const data::Dataset& dataset) {
  std::map<Replicas, std::string> answers;
  std::exception_ptr first;
  bool is_any_left = false;
  for (Candidate& candidate : candidates) {
    if (!candidate.is_possible()) continue;
    Experiment tried = experiment;
    tried.run.strategy = candidate.strategy;
    const auto [answer, is_new] = answers.try_emplace(replicas_of(tried));
    if (is_new) {
      try {
        check_models(tried, dataset, first_models(tried, dataset));
      } catch (const Error& error) {
        answer->second = error.what();
        if (!first) first = std::current_exception();
      }
    }
    candidate.refusal = answer->second;
    is_any_left = is_any_left || candidate.is_possible();
  }
  if (!is_any_left && first) std::rethrow_exception(first);
}

}  // namespace

std::vector<std::string> choices_of(const RunSettings& run) {
  return run.choose_from.empty() ? std::vector<std::string>{"hopping", "task_parallel"} : run.choose_from;
}

std::string settle_strategy(Experiment& experiment, const data::Dataset& dataset, const RunOptions& options) {
  if (!is_auto(experiment.run.strategy)) return {};
  const bool is_of_machines = options.hosting == Hosting::Remote;
  const std::string policy = experiment.run.policy.name();
  std::vector<Candidate> candidates = candidates_of({choices_of(experiment.run),
                                                     {dataset.partition_count(), experiment.run.workers},
                                                     experiment.run.order,
                                                     policy,
                                                     is_of_machines});
  const auto possible = [&] { return std::ranges::count_if(candidates, &Candidate::is_possible); };
  if (possible() > 1 && is_of_machines) refuse_unmeasured(candidates);
  if (possible() > 1) refuse_unfit(candidates, experiment, dataset);
  StrategyChoice choice;
  if (possible() > 1) {
    Experiment pilot = experiment;
    pilot.run.strategy = std::ranges::find_if(candidates, &Candidate::is_possible)->strategy;
    const std::size_t models = first_models(pilot, dataset).size();
    choice = choose_strategy(candidates, measure_job(pilot, dataset, options), policy, models);
  } else {
    choice = only_choice(candidates);
  }
  experiment.run.strategy = choice.strategy;
  experiment.run.strategy_choice = choice.why;
  return "strategy = \"auto\" chose " + choice.why;
}

}  // namespace hop::hopper
