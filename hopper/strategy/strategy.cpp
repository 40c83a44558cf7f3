#include "hopper/strategy/strategy.h"

#include <cstddef>

namespace hop::hopper {

std::uint64_t Strategy::predicted_statistics_bytes(const Spread& spread, std::uint64_t told) const {
  if (told == 0) return 0;
  std::uint64_t units = 0, pairs = 0;  // with several replicas; of a replica and another member, in these units
  for (std::uint32_t place = 0; place < units_per_epoch(spread); ++place) {
    const PartitionId first = begin(spread, ModelId{0}, place);
    const std::size_t replicas = passes(spread, first).size(), group = members(spread, first).size();
    if (replicas < 2) continue;
    ++units;
    if (group > 1) pairs += replicas * (group - 1);
  }
  return units == 0 ? 0 : told * pairs / units;
}

}  // namespace hop::hopper
