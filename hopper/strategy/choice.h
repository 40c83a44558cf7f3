// The choice of `strategy = "auto"`: which strategy a run gets, from sizes, unit times and the link that were measured
// before its first lease. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hopper/simulate/job.h"
#include "hopper/strategy/strategies.h"

namespace hop::hopper {

/// What decides which strategies a run can have, before anything is measured.
struct ChoiceRules {
  std::vector<std::string> from{};  ///< names of strategies(), the first ones preferred
  Spread spread{};
  Order order = Order::Fixed;
  std::string policy{};         ///< the name of the experiment's policy; empty: none is named
  bool is_of_machines = false;  ///< workers come from other machines: nobody knows what their nodes hold
};

/// A strategy that may be chosen.
struct Candidate {
  std::string strategy{};
  std::string refusal{};  ///< why this run cannot have it; empty if it can
  bool is_possible() const { return refusal.empty(); }
};

/// The strategies of `rules.from`, in that order. Throws ConfigError for unknown names.
std::vector<Candidate> candidates_of(const ChoiceRules& rules);

struct StrategyChoice {
  std::string strategy{};
  std::string why{};  ///< one line, with the figures
};

/// A later strategy is chosen only if it is predicted to be faster than an earlier one by more than this share.
inline constexpr double kWorthIt = 0.05;

/// The first possible strategy that is predicted to take at most 1 + kWorthIt times the shortest time: run_job() of
/// hopper/simulate/job.h, for `job` as it was measured. If a strategy has replicas, but no group of workers to train
/// them, one worker computes all replicas of a model: the time of tasks. `policy`: as in ChoiceRules. `models_of_run`:
/// if the job describes fewer models than the run has, how many it has. Throws ConfigError if no strategy is possible;
/// it names each refusal.
StrategyChoice choose_strategy(std::vector<Candidate> candidates, const simulate::Job& job, std::string_view policy,
                               std::size_t models_of_run = 0);

/// The only possible strategy; nothing needs to be measured then. Throws as choose_strategy(), and StateError if there
/// are several.
StrategyChoice only_choice(std::span<const Candidate> candidates);

}  // namespace hop::hopper
