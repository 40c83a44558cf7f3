#include "hopper/schedule/itinerary.h"

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

// The order has the even numbers before the odd ones, and divides each half alike: those of the form place + 2 step j
// come before those of the form place + step + 2 step j.
std::uint32_t van_der_corput_place(std::uint32_t i, std::uint32_t n) {
  std::uint32_t place = 0;
  for (std::uint64_t step = 1; step < n; step *= 2) {
    const auto first = static_cast<std::uint32_t>((n - 1 - place) / (2 * step) + 1);  // of the first form, below n
    if (i < first) continue;
    i -= first;
    place += static_cast<std::uint32_t>(step);
  }
  return place;
}

}  // namespace hop::hopper
