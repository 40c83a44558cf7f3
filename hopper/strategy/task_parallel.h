// The strategy "task_parallel": every node has all the data, and the models stay.
#pragma once

#include <memory>

#include "hopper/strategy/whole_epochs.h"

namespace hop::hopper {

/// Task parallelism, as Celery, Ray Tune and Optuna do it. A unit is a whole epoch, leased to any worker. The model
/// passes over the partitions in the order in which it would hop over them, so its state after each epoch has the bits
/// that hopping gives. Each node holds the whole data set: W times the memory and the storage of hopping.
class TaskParallel final : public WholeEpochs {
 public:
  TaskParallel() : WholeEpochs("task_parallel") {}
  PartitionId begin(const Spread& spread, ModelId model, std::uint32_t) const override { return spread.start(model); }
};

/// The one object.
std::shared_ptr<const Strategy> task_parallel();

}  // namespace hop::hopper
