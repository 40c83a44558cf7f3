// Rows that lie on other nodes, for the units of one worker. Internal to Hopscotch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>

#include "base/ids.h"
#include "data/partition.h"
#include "hopper/experiment.h"

namespace hop::hopper {

/// The bytes of other nodes' rows that a worker keeps at most, beside those of the passes in progress.
std::uint64_t most_kept_rows(const Experiment& experiment);

/// Partitions come one at a time, each while the pass before trains. At most two are here beside those that are kept:
/// the one in training and the next one. A scan that is longer than a cache finds nothing in it if the oldest entry
/// makes room; so those that came first stay, and no other takes their place.
class DistantRows {
 public:
  /// Begins to bring a partition, on any thread, and returns at once. came() or failed() follows.
  using Bring = std::function<void(PartitionId id)>;
  /// The partition on its way is not wanted any more. Returns at once; came() or failed() follows soon.
  using GiveUp = std::function<void()>;
  DistantRows(Bring bring, GiveUp give_up, std::uint64_t most_kept)
      : bring_(std::move(bring)), give_up_(std::move(give_up)), most_kept_(most_kept) {}

  // ---- the compute thread

  /// The next unit passes over these partitions, in this order; those of the own node are not among them.
  void expect(std::span<const PartitionId> passes);
  /// Waits for the next partition of the unit, and has the one behind it brought. Throws the error of failed();
  /// TrainingStopped if the worker's life ends; StateError for another partition than the next one.
  data::Partition take(PartitionId id, std::stop_token stop);
  /// Since expect(): bytes that crossed the network for the partitions that were taken, and seconds of waiting.
  std::uint64_t bytes() const { return bytes_; }
  double seconds() const { return seconds_; }

  // ---- any thread

  void came(PartitionId id, data::Partition partition, std::uint64_t bytes);
  void failed(PartitionId id, std::exception_ptr error);
  /// Whether the unit still needs this partition next.
  bool wants(PartitionId id) const;
  /// Whether the compute thread waits.
  bool is_awaited() const;

 private:
  struct Arrival {
    PartitionId id;
    std::optional<data::Partition> partition{};  // none: it failed
    std::uint64_t bytes = 0;
    std::exception_ptr error{};
  };

  bool is_next(PartitionId id) const { return !missing_.empty() && missing_.front() == id; }
  void bring_next();
  void put(Arrival arrival);
  void keep(const data::Partition& partition, PartitionId id);

  const Bring bring_;
  const GiveUp give_up_;
  const std::uint64_t most_kept_;
  std::uint64_t bytes_ = 0;  // the compute thread's, as the next two
  double seconds_ = 0;
  std::uint64_t kept_bytes_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<PartitionId> missing_;  // of the unit, in the order of its passes
  std::map<PartitionId, data::Partition> kept_;
  std::optional<PartitionId> coming_;
  std::optional<Arrival> arrival_;  // not taken yet
  bool is_awaited_ = false;
};

}  // namespace hop::hopper
