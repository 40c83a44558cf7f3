#include "hopper/strategy/strategies.h"

#include <array>
#include <vector>

#include "base/table.h"
#include "base/words.h"
#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/group_hopping.h"
#include "hopper/strategy/hopping.h"
#include "hopper/strategy/task_parallel.h"

namespace hop::hopper {
namespace {

constexpr std::array kStrategies = {
    StrategyRow{"hopping", hopping,
                "Each worker holds its own partitions, and the models travel: a unit is one pass over one partition."},
    StrategyRow{kTaskParallel, task_parallel,
                "Each worker holds all partitions, or fetches them (`task_data`), and the models stay: a unit is a "
                "whole epoch, with "
                "the same bits."},
    StrategyRow{
        "allreduce", allreduce,
        "A replica of the model for each partition; in each step all replicas take the mean of their gradients."},
    StrategyRow{"averaging", averaging,
                "A replica of the model for each partition; after some steps, or some passes, all take the mean of "
                "their weights."},
    StrategyRow{
        kParameterServer, parameter_server,
        "As allreduce, with the same bits: servers, which are some of the workers, add up the gradients for all."},
};

}  // namespace

std::span<const StrategyRow> strategies() { return kStrategies; }

const StrategyRow& find_strategy(std::string_view name) { return find_row(strategies(), name, "[run] strategy"); }

std::shared_ptr<const Strategy> make_strategy(const NameOr<StrategyMaker>& strategy, std::uint32_t group) {
  if (strategy.is_missing()) refuse_missing("[run] strategy");
  if (strategy.own() != nullptr) return expect_made((*strategy.own())(), "[run] strategy");
  if (is_auto(strategy)) {
    const std::vector<std::string_view> names = names_of(strategies());
    throw ConfigError(
        "[run] strategy: expected the name of one strategy, got \"auto\", which is settled when a run "
        "begins; write one of " +
        list_of(names));
  }
  const StrategyRow& row = find_strategy(strategy.name());
  if (group != 1 && row.make == hopping) return std::make_shared<GroupHopping>(group);
  return row.make();
}

}  // namespace hop::hopper
