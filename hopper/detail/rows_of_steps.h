// The rows of replicas that pass over their partitions side by side. Internal to Hopscotch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include "data/partition.h"

namespace hop::hopper {

/// The rows of replicas in each step of an epoch: whole batches, then a short one, then none. Steps from `begin` to
/// before `end` stand for a range.
class RowsOfSteps {
 public:
  explicit RowsOfSteps(std::int64_t batch) : batch_(batch) {}
  /// The next replica passes over this partition, in the order of `key`.
  void add(const data::Partition& partition, std::uint64_t key);
  /// The next replica is another member's, with so many rows. If they have weights: `sums`, the owner's sums_of().
  void add(std::int64_t rows, std::vector<double> sums);
  /// The sums of the weights before each step of a replica, and of all of its rows; at last their sum as the partition
  /// has it. Empty without weights.
  std::vector<double> sums_of(std::size_t replica) const;
  /// How many numbers these are for a replica of so many rows with weights.
  std::size_t count_of_sums(std::int64_t rows) const {
    return static_cast<std::size_t>((rows + batch_ - 1) / batch_) + 2;
  }

  std::int64_t steps() const { return rows_.empty() ? 0 : (std::ranges::max(rows_) + batch_ - 1) / batch_; }
  std::int64_t steps_of(std::size_t replica) const { return (rows_[replica] + batch_ - 1) / batch_; }
  std::int64_t of(std::size_t replica, std::int64_t begin, std::int64_t end) const {
    return std::min(rows_[replica], end * batch_) - std::min(rows_[replica], begin * batch_);
  }
  std::int64_t of_all(std::int64_t begin, std::int64_t end) const {
    std::int64_t rows = 0;
    for (std::size_t replica = 0; replica < rows_.size(); ++replica) rows += of(replica, begin, end);
    return rows;
  }
  /// How much each replica counts among all: by the weights of its rows; by their number where they have none, and
  /// where no row counts. Nothing for a replica without rows.
  std::vector<std::optional<double>> shares(std::int64_t begin, std::int64_t end) const;
  /// The sum of all weights; none without weights.
  std::optional<double> weight() const {
    if (totals_.empty()) return std::nullopt;
    return std::accumulate(totals_.begin(), totals_.end(), 0.0);
  }

 private:
  double weight(std::size_t replica, std::int64_t begin, std::int64_t end) const {
    const std::vector<double>& sums = weights_[replica];
    const auto before = [&](std::int64_t step) {
      return sums[std::min(static_cast<std::size_t>(step), sums.size() - 1)];
    };
    return before(end) - before(begin);
  }

  std::int64_t batch_;
  std::vector<std::int64_t> rows_;
  std::vector<std::vector<double>> weights_;  // of each replica: the sums before each step, and of all
  std::vector<double> totals_;                // of each replica
};

}  // namespace hop::hopper
