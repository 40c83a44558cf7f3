// How long a run would take with the exchange between the members of groups, by formula: the simulator's groups
// exchange in no time, unless they are told otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "hopper/results.h"
#include "hopper/run.h"
#include "hopper/simulate/link.h"
#include "hopper/simulate/run.h"

namespace hop::cli {

/// Whether groups of several workers trained the models of a run. Then the seconds of its units have the waits and the
/// exchange of these groups in them.
bool had_groups(const hopper::Results& measured);

struct GroupTime {
  double seconds = 0;           ///< of the run; with the exchange as it was measured if had_groups(), else by formula
  double exchange_seconds = 0;  ///< by formula: what the exchange adds to a run without it; 0 if it adds nothing
  std::uint64_t bytes = 0;      ///< that all workers send together, by formula
  bool is_exchange_measured = false;  ///< had_groups(): `exchange_seconds` is not in `seconds`
};

/// The models one after the other, each on all workers of `experiment`: replicas are shared out evenly, and no exchange
/// is hidden behind computation. `measured`: a run of the same strategy and partitions, best with one worker. Its
/// epochs count, whatever `experiment` says, and only whole ones. An exchange takes its messages and the time of its
/// bytes on the busiest link. Statistics of synchronised BatchNorm layers are those of `measured`. None for strategies
/// whose replicas are not of all partitions, for another strategy or other partitions than were measured, and for a run
/// without a whole epoch.
std::optional<GroupTime> group_time(const hopper::Results& measured, const hopper::Experiment& experiment,
                                    std::uint32_t partitions, const hopper::simulate::Link& link);

/// What the group of hopping exchanges in the unit of a model with this configuration that begins with `first`.
using BlockExchange = std::function<hopper::simulate::UnitExchange(const hopper::Config& config, PartitionId first)>;

/// By the formulas of group_time(), among the members of a block; a step exchanges the mean of all steps of the whole
/// epochs that were measured. `measured`: a run with the same group and partitions. None for other strategies, for
/// another group, other partitions or other passes of an epoch than were measured, and for a run without a whole epoch.
std::optional<BlockExchange> block_exchange(const hopper::Results& measured, const hopper::Experiment& experiment,
                                            std::uint32_t partitions, const hopper::simulate::Link& link);

/// Of hopping in groups, from two simulations of the same run: `with` block_exchange(), and without it.
GroupTime block_time(const hopper::Results& measured, const hopper::simulate::RunReport& without,
                     const hopper::simulate::RunReport& with);

}  // namespace hop::cli
