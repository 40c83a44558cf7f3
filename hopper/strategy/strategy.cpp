#include "hopper/strategy/strategy.h"

#include <cstddef>

namespace hop::hopper {

std::uint64_t Strategy::predicted_statistics_bytes(const Spread& spread, std::uint64_t told) const {
  if (told == 0) return 0;
  const std::uint32_t units = units_per_epoch(spread);
  std::uint64_t pairs = 0;  // of a replica and another member, in all units of an epoch
  for (std::uint32_t place = 0; place < units; ++place) {
    const PartitionId first = begin(spread, ModelId{0}, place);
    const std::size_t group = members(spread, first).size();
    if (group > 1) pairs += passes(spread, first).size() * (group - 1);
  }
  return told * pairs / units;
}

}  // namespace hop::hopper
