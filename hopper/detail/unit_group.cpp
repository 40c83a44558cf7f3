#include "hopper/detail/unit_group.h"

#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/group_hopping.h"

namespace hop::hopper {

Group unit_group(const Experiment& experiment, const Itinerary& itinerary, PartitionId first) {
  const ReplicaOptions& options = experiment.run.replicas;
  Group group{.owners = itinerary.owners(first)};
  const auto* strategy = dynamic_cast<const DataParallel*>(itinerary.strategy.get());
  if (dynamic_cast<const GroupHopping*>(itinerary.strategy.get()) != nullptr) return group;  // the key is of allreduce
  group.exchange = strategy != nullptr ? strategy->exchange(options.reduce_exchange)
                                       : options.reduce_exchange.value_or(ReduceExchange::Direct);
  if (strategy != nullptr && strategy->wire() == Wire::Server) {
    const std::uint32_t members = group.owners.empty() ? 1 : group.owners.back() + 1;  // owners do not decrease
    group.servers = strategy->servers(members, options.servers);
  }
  return group;
}

}  // namespace hop::hopper
