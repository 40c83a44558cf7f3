#include "hopper/simulate/link.h"

#include "hopper/strategy/data_parallel.h"

namespace hop::hopper::simulate {

double exchange_seconds(const DataParallel& strategy, std::uint32_t members, std::uint64_t bytes, double rounds,
                        const Link& link) {
  if (bytes == 0) return 0;
  const double links = strategy.wire() == Wire::Server ? 1 : members;
  return static_cast<double>(bytes) / links / link.bytes_per_second + 2 * link.latency_seconds * rounds;
}

double ring_delay_seconds(std::uint32_t members, double rounds, const Link& link) {
  return members <= 2 ? 0 : 2.0 * (members - 2) * link.latency_seconds * rounds;
}

}  // namespace hop::hopper::simulate
