// Which replicas BatchNorm layers look at. Internal to Hopscotch.
#pragma once

#include <memory>

#include "kernels/replica_norm_internal.h"

namespace hop::nn::detail {

/// While it lives, each BatchNorm that this thread trains normalises with the statistics of all replicas, and its
/// running statistics take them in.
class ReplicaStatistics {
 public:
  explicit ReplicaStatistics(std::shared_ptr<kernels::ReplicaTalk> talk);
  ~ReplicaStatistics();
  ReplicaStatistics(const ReplicaStatistics&) = delete;
  ReplicaStatistics& operator=(const ReplicaStatistics&) = delete;

  /// Where this thread's replica meets the others; null outside of a scope.
  static const std::shared_ptr<kernels::ReplicaTalk>& talk();

 private:
  std::shared_ptr<kernels::ReplicaTalk> before_;
};

}  // namespace hop::nn::detail
