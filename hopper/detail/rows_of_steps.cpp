#include "hopper/detail/rows_of_steps.h"

#include <utility>

#include "data/device_rows.h"
#include "data/split.h"

namespace hop::hopper {

void RowsOfSteps::add(const data::Partition& partition, std::uint64_t key) {
  rows_.push_back(partition.rows());
  const data::RowColumns columns = data::row_columns(partition);
  if (columns.w_column == nullptr) return;
  totals_.push_back(*data::total_weight(partition));
  const auto* weights = reinterpret_cast<const float*>(columns.w.data());
  std::vector<double>& sums = weights_.emplace_back(1, 0.0);
  const std::vector<std::uint32_t> order = data::random_permutation(partition.rows(), key);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i % static_cast<std::size_t>(batch_) == 0) sums.push_back(sums.back());
    sums.back() += static_cast<double>(weights[order[i]]);
  }
}

void RowsOfSteps::add(std::int64_t rows, std::vector<double> sums) {
  rows_.push_back(rows);
  if (sums.empty()) return;
  totals_.push_back(sums.back());
  sums.pop_back();
  weights_.push_back(std::move(sums));
}

std::vector<double> RowsOfSteps::sums_of(std::size_t replica) const {
  if (weights_.empty()) return {};
  std::vector<double> sums = weights_[replica];
  sums.push_back(totals_[replica]);
  return sums;
}

std::vector<std::optional<double>> RowsOfSteps::shares(std::int64_t begin, std::int64_t end) const {
  double all = 0;
  for (std::size_t r = 0; r < weights_.size(); ++r) all += weight(r, begin, end);
  const auto rows = static_cast<double>(of_all(begin, end));
  std::vector<std::optional<double>> shares(rows_.size());
  for (std::size_t r = 0; r < shares.size(); ++r) {
    const std::int64_t own = of(r, begin, end);
    if (own > 0) shares[r] = all > 0 ? weight(r, begin, end) / all : static_cast<double>(own) / rows;
  }
  return shares;
}

}  // namespace hop::hopper
