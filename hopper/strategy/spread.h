// How the partitions of a data set lie on the workers, and where the models begin.
#pragma once

#include <cstdint>

#include "base/ids.h"

namespace hop::hopper {

/// p partitions and W workers.
struct Spread {
  std::uint32_t partitions = 1;
  std::uint32_t workers = 1;

  /// Worker w owns the block of partitions q with floor(q W / p) = w. For W <= p.
  WorkerId owner(PartitionId partition) const;
  /// Model i begins every epoch at the i-th place of the van der Corput order of the partitions. Spread starts and
  /// block ownership keep the makespan of hopping within 5 % of its lower bound.
  PartitionId start(ModelId model) const;
  /// The partition that comes `steps` after another one: the models go round.
  PartitionId after(PartitionId partition, std::uint32_t steps) const;
};

/// The i-th number (i < n) of the van der Corput order of 0 .. n-1: 0, 4, 2, 6, 1, 5, 3, 7 for n = 8. Every prefix is
/// spread evenly. It is the order of the numbers with their bits reversed; the i-th one costs log2(n) steps. (J. G. van
/// der Corput, 1935.)
std::uint32_t van_der_corput_place(std::uint32_t i, std::uint32_t n);

}  // namespace hop::hopper
