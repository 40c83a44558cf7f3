#include "hopper/strategy/choice.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/words.h"

namespace hop::hopper {
namespace {

// A number for people: three digits are enough.
std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string without_key(const std::string& message) {
  const std::size_t end = message.find(": ");
  return end == std::string::npos ? message : message.substr(end + 2);
}

// The refusal of a strategy by its own rules; empty if it has none.
std::string refusal_of(const Strategy& strategy, const ChoiceRules& rules) {
  const Spread& spread = rules.spread;
  try {
    strategy.check(rules.order, rules.policy == kOwnCode ? "" : rules.policy);
  } catch (const ConfigError& error) {
    return without_key(error.what());
  }
  if (spread.workers > strategy.most_workers(spread.partitions)) {
    return std::to_string(spread.workers) + " workers, and work for " +
           std::to_string(strategy.most_workers(spread.partitions));
  }
  if (!rules.is_of_machines || spread.workers == 1) return {};
  for (std::uint32_t w = 0; w < spread.workers; ++w) {
    for (std::uint32_t q = 0; q < spread.partitions; ++q) {
      if (strategy.holds(spread, WorkerId(w), PartitionId(q)) && spread.owner(PartitionId(q)) != WorkerId(w)) {
        return "each node would need partitions of others, and nobody knows what the nodes of other machines hold";
      }
    }
  }
  return {};
}

std::string refusals(std::span<const Candidate> candidates) {
  std::string text;
  for (const Candidate& candidate : candidates) {
    if (candidate.is_possible()) continue;
    text += (text.empty() ? "" : "; ") + ("not " + candidate.strategy) + ": " + candidate.refusal;
  }
  return text;
}

void check_any(std::span<const Candidate> candidates) {
  if (std::ranges::any_of(candidates, &Candidate::is_possible)) return;
  throw ConfigError("[run] strategy: expected a strategy that this run can have, got \"auto\" and none; " +
                    refusals(candidates) + ". Write others into choose_from, or change what they refuse");
}

// The system of hopper/simulate/job.h that takes as long.
const simulate::JobSystem& system_of(const std::string& name, const Spread& spread) {
  const auto strategy = find_strategy(name).make();
  const bool is_computed_by_one =
      strategy->replicas() != Replicas::None && strategy->members(spread, PartitionId(0)).empty();
  return simulate::find_job_system(is_computed_by_one ? "task_parallel" : std::string_view(name));
}

std::size_t count_of(const simulate::Job& job) {
  std::size_t models = 0;
  for (const simulate::JobModels& kind : job.models) models += kind.count;
  return models;
}

std::string measured(const simulate::Job& job) {
  const auto models = static_cast<double>(count_of(job));
  double seconds = 0, states = 0, weights = 0;
  for (const simulate::JobModels& kind : job.models) {
    seconds += kind.count * kind.epoch_seconds;
    states += kind.count * kind.state_bytes;
    weights += kind.count * kind.weight_bytes;
  }
  return rounded(seconds / models) + " s for an epoch of a model on one worker, states of " +
         rounded(states / models * 1e-6) + " MB, weights of " + rounded(weights / models * 1e-6) + " MB, " +
         rounded(job.network.bytes_per_second * 1e-6) + " MB/s and " + rounded(job.network.latency_seconds * 1e3) +
         " ms between workers; " + std::to_string(count_of(job)) + " models, " + std::to_string(job.partitions) +
         " partitions, " + std::to_string(job.workers) + " workers";
}

}  // namespace

std::vector<Candidate> candidates_of(const ChoiceRules& rules) {
  std::vector<Candidate> all;
  for (const std::string& name : rules.from) {
    all.push_back({name, refusal_of(*find_strategy(name).make(), rules)});
  }
  return all;
}

StrategyChoice choose_strategy(std::vector<Candidate> candidates, const simulate::Job& job, std::string_view policy,
                               std::size_t models_of_run) {
  check_any(candidates);
  std::vector<std::optional<double>> seconds;
  double shortest_time = std::numeric_limits<double>::infinity();
  for (Candidate& candidate : candidates) {
    seconds.emplace_back();
    if (!candidate.is_possible()) continue;
    const simulate::JobSystem& system = system_of(candidate.strategy, {job.partitions, job.workers});
    const std::string followed = policy == kOwnCode ? "" : std::string(policy);
    try {
      seconds.back() = simulate::run_job(job, system, followed).seconds / job.epochs;
      shortest_time = std::min(shortest_time, *seconds.back());
    } catch (const ConfigError& error) {  // a size that no formula holds
      candidate.refusal = without_key(error.what());
    }
  }
  check_any(candidates);
  StrategyChoice choice;
  std::string predicted;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!seconds[i]) continue;
    if (choice.strategy.empty() && *seconds[i] <= shortest_time * (1 + kWorthIt)) {
      choice.strategy = candidates[i].strategy;
    }
    predicted += (predicted.empty() ? "" : ", ") + candidates[i].strategy + " " + rounded(*seconds[i]) + " s";
  }
  const std::string refused = refusals(candidates);
  const std::size_t described = count_of(job);
  const std::string whose = models_of_run <= described
                                ? "all models"
                                : std::to_string(described) + " of the " + std::to_string(models_of_run) + " models";
  choice.why = choice.strategy + ": predicted for an epoch of " + whose + " " + predicted +
               " (a later one must be faster by more than " + rounded(100 * kWorthIt) + " %)" +
               (refused.empty() ? "" : "; " + refused) + "; measured " + measured(job);
  return choice;
}

StrategyChoice only_choice(std::span<const Candidate> candidates) {
  check_any(candidates);
  if (std::ranges::count_if(candidates, &Candidate::is_possible) != 1) {
    throw StateError("[auto] expected one possible strategy, got several; measure, and call choose_strategy()");
  }
  const std::string& name = std::ranges::find_if(candidates, &Candidate::is_possible)->strategy;
  const std::string refused = refusals(candidates);
  return {name, name + ": the only one of choose_from that this run can have" +
                    (refused.empty() ? "" : "; " + refused) + ". Nothing was measured"};
}

}  // namespace hop::hopper
