// How long a run would take with the exchange between the members of groups, by formula: the simulator's groups
// exchange in no time, unless they are told otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "hopper/results.h"
#include "hopper/run.h"
#include "hopper/simulate/link.h"

namespace hop::cli {

struct GroupTime {
  double compute_seconds = 0, exchange_seconds = 0;
  std::uint64_t bytes = 0;  ///< that all workers send together

  double seconds() const { return compute_seconds + exchange_seconds; }
};

/// The models one after the other, each on all workers of `experiment`: replicas are shared out evenly, and no exchange
/// is hidden behind computation. `measured`: a run of the same strategy and partitions. If groups trained its models,
/// their waits and exchanges count as computation; a run with one worker has none. An exchange takes its messages and
/// the time of its bytes on the busiest link. Statistics of synchronised BatchNorm layers are those of `measured`. None
/// for strategies whose replicas are not of all partitions, and for another strategy or other partitions than were
/// measured.
std::optional<GroupTime> group_time(const hopper::Results& measured, const hopper::Experiment& experiment,
                                    std::uint32_t partitions, const hopper::simulate::Link& link);

/// What the groups of hopping exchange.
struct BlockExchange {
  /// Of the unit of a model with this configuration that begins with `first`: for RunOptions::exchange_seconds.
  std::function<double(const hopper::Config& config, PartitionId first)> seconds{};
  std::uint64_t bytes = 0;  ///< that all workers send in the run
};

/// By the formulas of group_time(), among the members of a block; a step takes as long as the mean of all steps that
/// were measured. `measured`: a run with the same group and partitions. None for other strategies, for another group or
/// other partitions than were measured, and for a run without a whole epoch.
std::optional<BlockExchange> block_exchange(const hopper::Results& measured, const hopper::Experiment& experiment,
                                            std::uint32_t partitions, const hopper::simulate::Link& link);

}  // namespace hop::cli
