// How the members of a group share the values of a unit's replicas. Internal to Hopscotch.
#pragma once

#include "hopper/experiment.h"
#include "hopper/schedule/itinerary.h"
#include "hopper/strategy/group_wire.h"

namespace hop::hopper {

/// The owners of the replicas of the unit that begins with partition `first`, and what the experiment says of their
/// exchange. Without a wire.
Group unit_group(const Experiment& experiment, const Itinerary& itinerary, PartitionId first);

}  // namespace hop::hopper
