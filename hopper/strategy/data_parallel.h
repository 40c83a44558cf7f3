// The strategies "allreduce", "averaging" and "parameter_server": the partitions of a data set train one model at the
// same time.
#pragma once

#include <memory>
#include <optional>

#include "hopper/strategy/group_wire.h"
#include "hopper/strategy/whole_epochs.h"

namespace hop::hopper {

/// Who adds up what the replicas share. All send a part to the member that has it, which sends the mean back.
enum class Wire : std::uint8_t {
  Direct,  ///< each member has a part
  Server,  ///< the first members have one: the servers, of which the experiment says the number
};

/// Data parallelism, as Horovod, PyTorch's DistributedDataParallel and Spark do it, defined over partitions instead of
/// processes: a unit is an epoch of p replicas, one for each partition. Their values are added in a fixed tree
/// (TreeMean, GroupMean). So the bits are a function of the experiment alone, for any number of workers. The replicas
/// of a unit are computed by a group: the owners of the partitions.
class DataParallel final : public WholeEpochs {
 public:
  /// Throws ConfigError for Replicas::None.
  DataParallel(std::string_view name, Replicas replicas, Wire wire);
  /// Replica q is that of partition q.
  PartitionId begin(const Spread&, ModelId, std::uint32_t) const override { return PartitionId{0}; }
  Replicas replicas() const override { return replicas_; }
  std::optional<WorkerId> only_worker(const Spread& spread, PartitionId first) const override;
  bool holds(const Spread& spread, WorkerId worker, PartitionId partition) const override;
  std::vector<WorkerId> members(const Spread& spread, PartitionId first) const override;
  Wire wire() const { return wire_; }
  /// How many members of a group have a part of the sums. `wanted`: servers; nothing means one.
  std::uint32_t servers(std::uint32_t members, std::optional<std::uint32_t> wanted) const;
  /// In which order gradients are added. `wanted`: nothing means Direct. Averages of weights and servers have no other.
  ReduceExchange exchange(std::optional<ReduceExchange> wanted) const;
  /// 2 (W - 1) times `shared`, however many members add up: all other members send a part to the one that has it, and
  /// get as much back. All exchanges of gradients send as much. Weights are added in f64: a worker with several
  /// replicas sends their sum so, which takes twice the bytes of the values of one. With PushGradients twice `shared`
  /// for each replica that is not the server's. More workers than partitions would have no replica.
  std::uint64_t predicted_bytes(const Spread& spread, std::uint64_t shared) const override;

 private:
  bool has_groups(const Spread& spread) const;

  Replicas replicas_;
  Wire wire_;
};

/// Synchronous SGD with the mean of all gradients in each step (Horovod: Sergeev and Del Balso, 2018; Li et al., VLDB
/// 2020).
std::shared_ptr<const Strategy> allreduce();
/// Bulk synchronous model averaging, also local SGD (Zinkevich et al., 2010; Stich, 2019).
std::shared_ptr<const Strategy> averaging();
/// The synchronous parameter server (Li et al., OSDI 2014): allreduce, where few members add up for all. Its bits, and
/// as many bytes, but most of them on the links of the servers.
std::shared_ptr<const Strategy> parameter_server();
/// The asynchronous one: the owner of the first partition is the server, and applies each gradient when it comes. Bits
/// are a function of the experiment and of the order in which gradients came, which the journal remembers.
std::shared_ptr<const Strategy> async_parameter_server();

}  // namespace hop::hopper
