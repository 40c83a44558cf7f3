// The strategy "task_parallel": every node has all the data or reads them from the others, and the models stay.
#pragma once

#include <memory>

#include "hopper/strategy/whole_epochs.h"

namespace hop::hopper {

/// Task parallelism, as Celery, Ray Tune and Optuna do it. A unit is a whole epoch, leased to any worker. The model
/// passes over the partitions in the order in which it would hop over them, so its state after each epoch has the bits
/// that hopping gives. Each node holds the whole data set: W times the memory and the storage of hopping. If the rows
/// are scattered, it holds the partitions that it would own with hopping, and its worker fetches the others
/// (run.task_data).
class TaskParallel final : public WholeEpochs {
 public:
  explicit TaskParallel(bool is_scattered) : WholeEpochs("task_parallel"), is_scattered_(is_scattered) {}
  PartitionId begin(const Spread& spread, ModelId model, std::uint32_t) const override { return spread.start(model); }
  bool holds(const Spread& spread, WorkerId worker, PartitionId partition) const override {
    return !is_scattered_ || spread.owner(partition) == worker;
  }

 private:
  bool is_scattered_;
};

/// The two objects: every node holds all rows, or its own ones.
std::shared_ptr<const Strategy> task_parallel();
std::shared_ptr<const Strategy> scattered_tasks();

}  // namespace hop::hopper
