// A whole unit in a trainer. Workers train units this way, and replay repeats them this way. After the last unit of an
// epoch both call Trainer::end_epoch(), and with the schedule "plateau" Trainer::learn_validation().
#pragma once

#include <atomic>
#include <span>
#include <stop_token>

#include "hopper/trainer.h"

namespace hop::hopper {

/// The passes of a unit on the loaded state: one after the other, or as replicas if the trainer has some. The metrics
/// are those of all passes together: train_loss is the mean over all rows. A pass whose loss is lost ends the unit.
/// `rows_done`, if given, counts on. `group`: as in Trainer::train_replicas. Throws as Trainer::train.
UnitMetrics train_unit(Trainer& trainer, Epoch epoch, std::span<const PartitionId> passes, const PartitionRows& rows,
                       std::stop_token stop = {}, std::atomic<std::uint64_t>* rows_done = nullptr,
                       const Group& group = {});

}  // namespace hop::hopper
