#include "hopper/strategy/data_parallel.h"

#include <algorithm>

#include "base/error.h"

namespace hop::hopper {

DataParallel::DataParallel(std::string_view name, Replicas replicas, Wire wire)
    : WholeEpochs(name), replicas_(replicas), wire_(wire) {
  if (replicas == Replicas::None) {
    throw ConfigError("[run] strategy: expected replicas that share gradients or weights, got none in \"" +
                      std::string(name) + "\"; derive from WholeEpochs instead");
  }
}

// One partition is trained by one worker: of allreduce by the owner, else by any.
bool DataParallel::has_groups(const Spread& spread) const {
  if (spread.workers == 1) return false;
  return spread.partitions > 1 || (replicas_ == Replicas::ShareGradients && wire_ == Wire::Direct);
}

// The lead.
std::optional<WorkerId> DataParallel::only_worker(const Spread& spread, PartitionId first) const {
  return has_groups(spread) ? std::optional(spread.owner(first)) : WholeEpochs::only_worker(spread, first);
}

bool DataParallel::holds(const Spread& spread, WorkerId worker, PartitionId partition) const {
  return has_groups(spread) ? spread.owner(partition) == worker : WholeEpochs::holds(spread, worker, partition);
}

std::vector<WorkerId> DataParallel::members(const Spread& spread, PartitionId) const {
  std::vector<WorkerId> owners;
  if (!has_groups(spread) || spread.partitions == 1) return owners;
  for (std::uint32_t q = 0; q < spread.partitions; ++q) {
    const WorkerId owner = spread.owner(PartitionId(q));
    if (owners.empty() || owners.back() != owner) owners.push_back(owner);
  }
  return owners;
}

std::uint32_t DataParallel::servers(std::uint32_t members, std::optional<std::uint32_t> wanted) const {
  return wire_ == Wire::Direct ? members : std::min(members, wanted.value_or(1));
}

ReduceExchange DataParallel::exchange(std::optional<ReduceExchange> wanted) const {
  const bool has_a_choice = replicas_ == Replicas::ShareGradients && wire_ == Wire::Direct;
  return has_a_choice ? wanted.value_or(ReduceExchange::Direct) : ReduceExchange::Direct;
}

std::uint64_t DataParallel::predicted_bytes(const Spread& spread, std::uint64_t shared) const {
  if (replicas_ == Replicas::PushGradients) {
    std::uint64_t apart = 0;  // replicas that are not the server's
    for (std::uint32_t q = 0; q < spread.partitions; ++q) {
      apart += spread.owner(PartitionId(q)) == spread.owner(PartitionId(0)) ? 0 : 1;
    }
    return 2 * shared * apart;
  }
  const std::uint64_t members = std::min(spread.workers, spread.partitions);
  if (replicas_ == Replicas::ShareGradients) return 2 * shared * (members - 1);
  // Members with several replicas: all, or as many as there are replicas beyond one for each member.
  const std::uint64_t with_several = std::min<std::uint64_t>(members, spread.partitions - members);
  const std::uint64_t reduced = shared * (members + with_several) / members;
  return (reduced + shared) * (members - 1);
}

std::shared_ptr<const Strategy> allreduce() {
  static const std::shared_ptr<const Strategy> the_one =
      std::make_shared<DataParallel>("allreduce", Replicas::ShareGradients, Wire::Direct);
  return the_one;
}

std::shared_ptr<const Strategy> averaging() {
  static const std::shared_ptr<const Strategy> the_one =
      std::make_shared<DataParallel>("averaging", Replicas::ShareWeights, Wire::Direct);
  return the_one;
}

std::shared_ptr<const Strategy> parameter_server() {
  static const std::shared_ptr<const Strategy> the_one =
      std::make_shared<DataParallel>("parameter_server", Replicas::ShareGradients, Wire::Server);
  return the_one;
}

std::shared_ptr<const Strategy> async_parameter_server() {
  static const std::shared_ptr<const Strategy> the_one =
      std::make_shared<DataParallel>("parameter_server", Replicas::PushGradients, Wire::Server);
  return the_one;
}

}  // namespace hop::hopper
