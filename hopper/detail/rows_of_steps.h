// The rows of replicas that pass over their partitions side by side. Internal to Hopscotch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

  std::int64_t steps() const { return rows_.empty() ? 0 : (std::ranges::max(rows_) + batch_ - 1) / batch_; }
  std::int64_t of(std::size_t replica, std::int64_t begin, std::int64_t end) const {
    return std::min(rows_[replica], end * batch_) - std::min(rows_[replica], begin * batch_);
  }
  std::int64_t of_all(std::int64_t begin, std::int64_t end) const {
    std::int64_t rows = 0;
    for (std::size_t replica = 0; replica < rows_.size(); ++replica) rows += of(replica, begin, end);
    return rows;
  }
  /// How much the replica counts among all: by the weights of its rows; by their number where they have none, and where
  /// no row counts.
  double share(std::size_t replica, std::int64_t begin, std::int64_t end) const;
  /// The sum of all weights; none without weights.
  std::optional<double> weight() const { return weight_; }

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
  std::optional<double> weight_;
};

}  // namespace hop::hopper
