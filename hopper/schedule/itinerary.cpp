#include "hopper/schedule/itinerary.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "base/error.h"

namespace hop::hopper {

void Itinerary::check() const {
  if (workers < 1 || workers > partitions) {
    throw ConfigError("[itinerary] expected 1 <= workers <= partitions, got workers = " + std::to_string(workers) +
                      " (partitions = " + std::to_string(partitions) + ")");
  }
  if (epochs < 1) throw ConfigError("[itinerary] expected epochs >= 1, got 0");
  constexpr std::uint64_t kMostUnits = std::numeric_limits<std::uint32_t>::max();
  if (std::uint64_t{epochs} * partitions > kMostUnits) {
    throw ConfigError("[itinerary] expected fewer than 2^32 units (epochs x partitions) per model, got " +
                      std::to_string(epochs) + " x " + std::to_string(partitions));
  }
}

WorkerId Itinerary::owner(PartitionId partition) const {
  return WorkerId{static_cast<std::uint32_t>(std::uint64_t{partition.value} * workers / partitions)};
}

PartitionId Itinerary::partition(ModelId model, Unit unit) const {
  const std::uint32_t start = van_der_corput_place(model.value % partitions, partitions);
  return PartitionId{(start + unit.value % partitions) % partitions};
}

std::uint32_t van_der_corput_place(std::uint32_t i, std::uint32_t n) {
  const int bits = static_cast<int>(std::bit_width(std::bit_ceil(n))) - 1;
  for (std::uint32_t k = 0;; ++k) {
    std::uint32_t reversed = 0;
    for (int b = 0; b < bits; ++b) reversed |= ((k >> b) & 1U) << (bits - 1 - b);
    if (reversed >= n) continue;
    if (i-- == 0) return reversed;
  }
}

}  // namespace hop::hopper
