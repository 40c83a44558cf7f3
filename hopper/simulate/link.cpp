#include "hopper/simulate/link.h"

#include <bit>

#include "hopper/detail/bucketed_mean.h"
#include "hopper/strategy/data_parallel.h"

namespace hop::hopper::simulate {
namespace {

// Of one exchange.
struct Path {
  double messages = 0;  // one after the other
  double links = 1;     // the busiest link takes the time of all bytes, divided by this
};

// `bytes`: of one exchange in all.
Path path_of(const DataParallel& strategy, const Sharing& sharing, double bytes) {
  const double members = sharing.members, servers = sharing.servers;
  switch (sharing.exchange) {
    case ReduceExchange::Direct: {
      // Before an average the members tell each other that they are there.
      if (strategy.replicas() == Replicas::ShareWeights) return {3, servers};
      if (strategy.replicas() == Replicas::PushGradients) return {2, servers};
      const auto gradients = static_cast<std::uint64_t>(bytes / (2 * (members - 1)));
      return {(members == 2 && servers == 2 ? 1.0 : 2.0) * static_cast<double>(bucket_count(gradients)), servers};
    }
    case ReduceExchange::Ring:
      return {2 * (members - 1), members};
    case ReduceExchange::HalvingDoubling:
      break;
  }
  const std::uint32_t places = std::bit_floor(sharing.members);
  const double halvings = std::countr_zero(places);
  if (places == sharing.members) return {2 * halvings, members};
  // All bytes are 2 (W - 1) times the values. One after the other, a link of a pair carries them 1 time in the fold,
  // 2 (P - 1) / P times, and 1 time in the unfold.
  const double times = 2 + 2 * (places - 1.0) / places;
  return {2 * halvings + 2, 2 * (members - 1) / times};
}

}  // namespace

double exchange_seconds(const DataParallel& strategy, const Sharing& sharing, std::uint64_t bytes, double rounds,
                        const Link& link) {
  if (bytes == 0) return 0;
  const Path path = path_of(strategy, sharing, static_cast<double>(bytes) / rounds);
  return static_cast<double>(bytes) / path.links / link.bytes_per_second +
         path.messages * link.latency_seconds * rounds;
}

}  // namespace hop::hopper::simulate
