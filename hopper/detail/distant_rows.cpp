#include "hopper/detail/distant_rows.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "hopper/strategy/group_wire.h"
#include "hopper/trainer.h"

namespace hop::hopper {

std::uint64_t most_kept_rows(const RunSettings& run) {
  if (!run.task_data) return 0;
  switch (*run.task_data) {
    case TaskData::Replicate:
      return std::numeric_limits<std::uint64_t>::max();
    case TaskData::Remote:
      return 0;
    case TaskData::Cache:
      return run.task_cache_bytes;
  }
  return 0;
}

void DistantRows::expect(std::span<const PartitionId> passes) {
  bytes_ = 0;
  seconds_ = 0;
  const std::scoped_lock lock(mutex_);
  missing_.clear();
  for (const PartitionId id : passes) {
    if (!kept_.contains(id)) missing_.push_back(id);
  }
  // What came for a unit that failed may serve this one, if it is the first that this one needs.
  if (arrival_ && (missing_.empty() || arrival_->id != missing_.front() || !arrival_->partition)) arrival_.reset();
  bring_next();
}

// The caller holds mutex_.
void DistantRows::bring_next() {
  if (coming_ || arrival_ || missing_.empty()) return;
  coming_ = missing_.front();
  bring_(*coming_);
}

data::Partition DistantRows::take(PartitionId id, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  if (const auto kept = kept_.find(id); kept != kept_.end()) return kept->second;
  const Stopwatch watch;
  awaited_ = id;
  const bool is_here = changed_.wait(lock, stop, [&] { return arrival_ && arrival_->id == id; });
  awaited_.reset();
  seconds_ += watch.seconds();
  if (!is_here) throw TrainingStopped("[rows] stopped");
  const Arrival arrival = *std::exchange(arrival_, std::nullopt);
  if (!arrival.partition) throw MemberLost(arrival.error);
  bytes_ += arrival.bytes;
  missing_.pop_front();
  keep(*arrival.partition, id);
  bring_next();
  return *arrival.partition;
}

// The caller holds mutex_.
void DistantRows::keep(const data::Partition& partition, PartitionId id) {
  const std::uint64_t bytes = partition.file_bytes();
  if (bytes > most_kept_ - kept_bytes_) return;
  kept_.emplace(id, partition);
  kept_bytes_ += bytes;
}

void DistantRows::came(PartitionId id, data::Partition partition, std::uint64_t bytes) {
  put({.id = id, .partition = std::move(partition), .bytes = bytes});
}

void DistantRows::failed(PartitionId id, const std::string& why) { put({.id = id, .error = why}); }

// One that is not needed first any more came for a unit that has failed.
void DistantRows::put(Arrival arrival) {
  {
    const std::scoped_lock lock(mutex_);
    coming_.reset();
    if (!missing_.empty() && missing_.front() == arrival.id) arrival_ = std::move(arrival);
    bring_next();
  }
  changed_.notify_all();
}

std::optional<PartitionId> DistantRows::awaited() const {
  const std::scoped_lock lock(mutex_);
  return awaited_;
}

}  // namespace hop::hopper
