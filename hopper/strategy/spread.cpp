#include "hopper/strategy/spread.h"

#include <bit>

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
