#include "hopper/simulate/link.h"

#include "hopper/strategy/data_parallel.h"

namespace hop::hopper::simulate {

double exchange_seconds(const DataParallel& strategy, std::uint32_t servers, std::uint64_t bytes, double rounds,
                        const Link& link) {
  if (bytes == 0) return 0;
  // Before an average the members tell each other that they are there.
  const double messages = strategy.replicas() == Replicas::ShareWeights ? 3 : 2;
  return static_cast<double>(bytes) / servers / link.bytes_per_second + messages * link.latency_seconds * rounds;
}

double ring_delay_seconds(std::uint32_t members, double rounds, const Link& link) {
  return members <= 2 ? 0 : 2.0 * (members - 2) * link.latency_seconds * rounds;
}

}  // namespace hop::hopper::simulate
