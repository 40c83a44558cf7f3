#include "nn/detail/replica_statistics.h"

#include <utility>

namespace hop::nn::detail {
namespace {

thread_local std::shared_ptr<kernels::ReplicaTalk> current;

}  // namespace

ReplicaStatistics::ReplicaStatistics(std::shared_ptr<kernels::ReplicaTalk> talk)
    : before_(std::exchange(current, std::move(talk))) {}
ReplicaStatistics::~ReplicaStatistics() { current = std::move(before_); }

const std::shared_ptr<kernels::ReplicaTalk>& ReplicaStatistics::talk() { return current; }

}  // namespace hop::nn::detail
