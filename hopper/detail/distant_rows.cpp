#include "hopper/detail/distant_rows.h"

#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "hopper/trainer.h"

namespace hop::hopper {

std::uint64_t most_kept_rows(const Experiment& experiment) {
  const std::optional<TaskData> data = task_data_of(experiment);
  if (data == TaskData::Replicate) return std::numeric_limits<std::uint64_t>::max();
  return data == TaskData::Cache ? experiment.run.task_cache_bytes : 0;
}

void DistantRows::expect(std::span<const PartitionId> passes) {
  bytes_ = 0;
  seconds_ = 0;
  const std::scoped_lock lock(mutex_);
  missing_.clear();
  for (const PartitionId id : passes) {
    if (!kept_.contains(id)) missing_.push_back(id);
  }
  // What came for a unit that failed may serve this one.
  if (arrival_ && (!arrival_->partition || !is_next(arrival_->id))) arrival_.reset();
  if (coming_ && !is_next(*coming_)) give_up_();
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
  if (!is_next(id)) {
    throw StateError("[rows] expected the next partition of the unit, got " + std::to_string(id.value));
  }
  const Stopwatch watch;
  is_awaited_ = true;
  const bool is_here = changed_.wait(lock, stop, [this] { return arrival_.has_value(); });
  is_awaited_ = false;
  seconds_ += watch.seconds();
  if (!is_here) throw TrainingStopped("[rows] stopped");
  const Arrival arrival = *std::exchange(arrival_, std::nullopt);
  if (!arrival.partition) std::rethrow_exception(arrival.error);
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

void DistantRows::failed(PartitionId id, std::exception_ptr error) { put({.id = id, .error = std::move(error)}); }

// One that is not needed next any more came for a unit that has ended.
void DistantRows::put(Arrival arrival) {
  {
    const std::scoped_lock lock(mutex_);
    coming_.reset();
    if (is_next(arrival.id)) arrival_ = std::move(arrival);
    bring_next();
  }
  changed_.notify_all();
}

bool DistantRows::wants(PartitionId id) const {
  const std::scoped_lock lock(mutex_);
  return is_next(id);
}

bool DistantRows::is_awaited() const {
  const std::scoped_lock lock(mutex_);
  return is_awaited_;
}

}  // namespace hop::hopper
