// The arithmetic of a run: which unit visits which partition, and who owns it.
#pragma once

#include <cstdint>

#include "base/ids.h"

namespace hop::hopper {

/// `Fixed`: the partition of every unit is a function of (model, unit), so the final weights depend on the experiment
/// alone. `Free`: the policy picks among the partitions that the epoch still owes; the journal remembers.
enum class Order : std::uint8_t { Fixed, Free };

/// p partitions on W workers, which every model visits in each of E epochs. Unit k of a model is visit k % p of epoch k
/// / p. The state after k units is version k.
struct Itinerary {
  std::uint32_t partitions = 1;
  std::uint32_t workers = 1;
  std::uint32_t epochs = 1;
  Order order = Order::Fixed;

  /// Throws ConfigError unless 1 <= workers <= partitions and 1 <= epochs.
  void check() const;

  std::uint32_t units() const { return partitions * epochs; }  ///< per model
  Epoch epoch(Unit unit) const { return Epoch{unit.value / partitions}; }
  Unit first_unit(Epoch epoch) const { return Unit{epoch.value * partitions}; }
  bool ends_epoch(Unit unit) const { return number_of(unit) % partitions == 0; }
  /// The state at the end of an epoch.
  Version end_of(Epoch epoch) const { return before(first_unit(epoch + 1)); }
  /// Whether a state is that of the end of an epoch, or the initial one.
  bool is_between_epochs(Version version) const { return version.value % partitions == 0; }

  /// Worker w owns the block of partitions q with floor(q W / p) = w.
  WorkerId owner(PartitionId partition) const;

  /// The partition of a unit in `Fixed` order: model i starts every epoch at the i-th place of the van der Corput
  /// sequence and goes round by +1. Spread starts and block ownership keep the makespan within 5 % of its lower bound
  /// and cross the network W times an epoch, not p times.
  PartitionId partition(ModelId model, Unit unit) const;

  bool operator==(const Itinerary&) const = default;
};

/// The i-th number (i < n) of the van der Corput order of 0 .. n-1: 0, 4, 2, 6, 1, 5, 3, 7 for n = 8. Every prefix is
/// spread evenly. It is the order of the numbers with their bits reversed; the i-th one costs log2(n) steps. (J. G. van
/// der Corput, 1935.)
std::uint32_t van_der_corput_place(std::uint32_t i, std::uint32_t n);

}  // namespace hop::hopper
