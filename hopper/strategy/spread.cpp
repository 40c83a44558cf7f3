#include "hopper/strategy/spread.h"

namespace hop::hopper {

WorkerId Spread::owner(PartitionId partition) const {
  return WorkerId{static_cast<std::uint32_t>(std::uint64_t{partition.value} * workers / partitions)};
}

PartitionId Spread::start(ModelId model) const {
  return PartitionId{van_der_corput_place(model.value % partitions, partitions)};
}

PartitionId Spread::after(PartitionId partition, std::uint32_t steps) const {
  return PartitionId{static_cast<std::uint32_t>((std::uint64_t{partition.value} + steps) % partitions)};
}

// The order has the even numbers before the odd ones, and orders each half by the same rule: numbers of the form place
// + 2 step j come before numbers of the form place + step + 2 step j.
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
