// The strategies that ship with Hopscotch: one table. The experiment file, its checks, the run, the simulator and
// docs/experiment-file.md are made from it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "hopper/name_or.h"
#include "hopper/strategy/strategy.h"

namespace hop::hopper {

/// Makes a strategy. Called several times for one run (by the coordinator, by each worker for every trainer, after a
/// restart) and by several threads, so the strategies must answer alike.
using StrategyMaker = std::function<std::shared_ptr<const Strategy>()>;

/// The value of `run.strategy` that stands for one of the others: a run chooses it before its first lease
/// (hopper/strategy/choice.h), and its run directory has the name of the one that was chosen.
inline constexpr std::string_view kAuto = "auto";
/// The value that reads `run.task_data`.
inline constexpr std::string_view kTaskParallel = "task_parallel";
/// The value that reads `run.mode`.
inline constexpr std::string_view kParameterServer = "parameter_server";
inline bool is_auto(const NameOr<StrategyMaker>& strategy) { return strategy.name() == kAuto; }

struct StrategyRow {
  std::string_view name{};  ///< the value of `run.strategy`
  std::shared_ptr<const Strategy> (*make)() = nullptr;
  std::string_view doc{};  ///< one line
};

/// All rows, in the order of the documentation.
std::span<const StrategyRow> strategies();
/// The row of a name. Throws ConfigError that names the nearest one.
const StrategyRow& find_strategy(std::string_view name);

/// `group`: above 1, "hopping" is a GroupHopping of so many partitions; others do not read it. Throws ConfigError for
/// an unknown name, for kAuto, for an object that is missing, and for a maker that gives null. Of an experiment:
/// strategy_of() (hopper/experiment.h).
std::shared_ptr<const Strategy> make_strategy(const NameOr<StrategyMaker>& strategy, std::uint32_t group = 1);

}  // namespace hop::hopper
