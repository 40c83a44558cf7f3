#include "hopper/simulate/link.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <vector>

#include "hopper/detail/bucketed_mean.h"
#include "hopper/detail/step_talk.h"
#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/replica_tree.h"

namespace hop::hopper::simulate {
namespace {

// Of one exchange.
struct Path {
  double messages = 0;  // one after the other
  double links = 1;     // the busiest link takes the time of all bytes, divided by this
};

// `bytes`: of one exchange in all.
Path path_of(Replicas replicas, const Sharing& sharing, double bytes) {
  const double members = sharing.members, servers = sharing.servers;
  // The gradients of one replica. A server that is no worker may have one member alone.
  const std::uint64_t shared = members > 1 ? static_cast<std::uint64_t>(bytes / (2 * (members - 1))) : 0;
  const double before = sharing.is_synchronised && shared > kFitsIntoAConnection ? 1 : 0;
  switch (sharing.exchange) {
    case ReduceExchange::Direct: {
      // Before an average the members tell each other that they are there.
      if (replicas == Replicas::ShareWeights) return {3, servers};
      if (replicas == Replicas::PushGradients) return {2, servers};
      const std::size_t buckets = sharing.is_synchronised ? 1 : bucket_count(shared);
      return {before + (sharing.is_pair ? 1.0 : 2.0) * static_cast<double>(buckets), servers};
    }
    case ReduceExchange::Ring:
      return {before + 2 * (members - 1), members};
    case ReduceExchange::HalvingDoubling:
      break;
  }
  const std::uint32_t places = std::bit_floor(sharing.members);
  const double halvings = std::countr_zero(places);
  if (places == sharing.members) return {before + 2 * halvings, members};
  // All bytes are 2 (W - 1) times the values. One after the other, a link of a pair carries them 1 time in the fold,
  // 2 (P - 1) / P times, and 1 time in the unfold.
  const double times = 2 + 2 * (places - 1.0) / places;
  return {before + 2 * halvings + 2, 2 * (members - 1) / times};
}

}  // namespace

bool is_pair(const Strategy& strategy, const Spread& spread, PartitionId first) {
  const auto* replicated = dynamic_cast<const DataParallel*>(&strategy);
  if (replicated != nullptr && replicated->wire() == Wire::Server) return false;
  std::vector<std::uint32_t> owners;
  for (const PartitionId partition : strategy.passes(spread, first)) owners.push_back(spread.owner(partition).value);
  return hopper::is_pair(owners);
}

double exchange_seconds(Replicas replicas, const Sharing& sharing, std::uint64_t bytes, double rounds,
                        const Link& link) {
  if (bytes == 0) return 0;
  const Path path = path_of(replicas, sharing, static_cast<double>(bytes) / std::max(rounds, 1.0));
  return static_cast<double>(bytes) / path.links / link.bytes_per_second +
         path.messages * link.latency_seconds * rounds;
}

double statistics_seconds(std::uint32_t members, std::uint64_t bytes, double rounds, const Link& link) {
  if (bytes == 0) return 0;
  return static_cast<double>(bytes) / members / link.bytes_per_second + link.latency_seconds * rounds;
}

}  // namespace hop::hopper::simulate
