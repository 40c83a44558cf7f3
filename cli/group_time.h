// How long a run would take if all workers trained each model together, in a group. By formula: the simulator's groups
// exchange in no time.
#pragma once

#include <cstdint>
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
/// for strategies without replicas, and for another strategy or other
/// partitions than were measured.
std::optional<GroupTime> group_time(const hopper::Results& measured, const hopper::Experiment& experiment,
                                    std::uint32_t partitions, const hopper::simulate::Link& link);

}  // namespace hop::cli
