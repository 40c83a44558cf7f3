#include "hopper/train_unit.h"

#include <cmath>

namespace hop::hopper {

UnitMetrics train_unit(Trainer& trainer, Epoch epoch, std::span<const PartitionId> passes, const PartitionRows& rows,
                       std::stop_token stop, std::atomic<std::uint64_t>* rows_done, const Group& group) {
  if (trainer.replicas() != Replicas::None) return trainer.train_replicas(passes, rows, epoch, stop, rows_done, group);
  UnitMetrics unit;
  for (const PartitionId id : passes) {
    const UnitMetrics pass = trainer.train(rows(id), epoch, id, stop, rows_done);
    add_rows(unit, pass);
    unit.seconds += pass.seconds;
    unit.state_bytes = pass.state_bytes;
    if (!std::isfinite(pass.train_loss)) break;
  }
  return unit;
}

}  // namespace hop::hopper
