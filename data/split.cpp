#include "data/split.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/words.h"
#include "tensor/random.h"

namespace hop::data {
namespace {

void check(bool valid, const std::string& message) {
  if (!valid) throw ConfigError("[data] " + message);
}

std::string rows_text(std::int64_t rows) { return std::to_string(rows) + (rows == 1 ? " row" : " rows"); }

// The least number of rows for which the share is at least one row and another row is left.
std::int64_t fewest_rows(double share) {
  const double smaller = std::min(share, 1.0 - share);
  return std::max<std::int64_t>(2, static_cast<std::int64_t>(std::ceil(0.5 / smaller)));
}

std::int64_t validation_count(std::int64_t rows, const Validation& validation) {
  if (validation.kind == Validation::Kind::tail) {
    check(validation.rows >= 1 && validation.rows < rows, "expected a validation tail of 1 to " +
                                                              std::to_string(rows - 1) + " rows, got " +
                                                              std::to_string(validation.rows));
    return validation.rows;
  }
  if (validation.kind == Validation::Kind::fraction) {
    check(validation.share > 0.0 && validation.share < 1.0,
          "expected a validation fraction between 0 and 1, got " + shortest(validation.share));
    const auto count = static_cast<std::int64_t>(std::llround(validation.share * static_cast<double>(rows)));
    check(count >= 1 && count < rows, "expected a validation fraction that leaves rows on both sides, got " +
                                          std::to_string(count) + " of " + rows_text(rows) + ": for " +
                                          shortest(validation.share) + " at least " +
                                          std::to_string(fewest_rows(validation.share)) + " are needed");
    return count;
  }
  return 0;
}

// How many rows of each class are set aside.
std::vector<std::int64_t> quotas(std::span<const std::uint32_t> classes, double share) {
  std::vector<std::int64_t> counts;
  for (const std::uint32_t c : classes) {
    if (c >= counts.size()) counts.resize(c + 1);
    ++counts[c];
  }
  for (std::int64_t& count : counts) {
    const auto rounded = static_cast<std::int64_t>(std::llround(share * static_cast<double>(count)));
    count = count < 2 ? 0 : std::clamp<std::int64_t>(rounded, 1, count - 1);
  }
  return counts;
}

// Moves the rows that are set aside to the end of a random order. Returns how many there are.
std::int64_t stratify(std::vector<std::uint32_t>& order, std::span<const std::uint32_t> classes, double share) {
  std::vector<std::int64_t> left = quotas(classes, share);
  std::vector<std::uint32_t> aside;
  std::erase_if(order, [&](std::uint32_t row) {
    std::int64_t& quota = left[classes[row]];
    if (quota == 0) return false;
    --quota;
    aside.push_back(row);
    return true;
  });
  order.insert(order.end(), aside.begin(), aside.end());
  return static_cast<std::int64_t>(aside.size());
}

}  // namespace

std::string Validation::to_string() const {
  switch (kind) {
    case Kind::none:
      return "none";
    case Kind::file:
      return "file";
    case Kind::tail:
      return "tail " + std::to_string(rows);
    case Kind::fraction:
      break;
  }
  return (stratified ? "stratified fraction " : "fraction ") + shortest(share);
}

std::vector<std::uint32_t> ascending_rows(std::int64_t n) {
  check(n >= 0 && n <= std::numeric_limits<std::uint32_t>::max(),
        "expected fewer than 2^32 rows, got " + std::to_string(n));
  std::vector<std::uint32_t> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

std::vector<std::uint32_t> random_permutation(std::int64_t n, std::uint64_t key) {
  std::vector<std::uint32_t> order = ascending_rows(n);
  PhiloxStream random({.key = key});
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  }
  return order;
}

Split split_rows(std::int64_t rows, std::uint32_t partitions, const Validation& validation, std::uint64_t seed,
                 bool shuffle, std::span<const std::uint32_t> classes) {
  std::int64_t validation_rows = validation_count(rows, validation);
  // All rows, with the validation rows last: random rows, or the last rows of the source.
  std::vector<std::uint32_t> train = validation.kind == Validation::Kind::fraction
                                         ? random_permutation(rows, hash64(seed, "validation"))
                                         : ascending_rows(rows);
  if (validation.stratified) validation_rows = stratify(train, classes, validation.share);
  const std::int64_t train_rows = rows - validation_rows;
  check(partitions >= 1 && partitions <= train_rows,
        "expected 1 to " + std::to_string(train_rows) + " partitions (one row each at least), got " +
            std::to_string(partitions) + ": there are " + rows_text(rows) + ", " + std::to_string(validation_rows) +
            " of them for validation");
  Split split;
  split.validation.assign(train.begin() + train_rows, train.end());
  train.resize(static_cast<std::size_t>(train_rows));
  std::ranges::sort(split.validation);
  std::ranges::sort(train);

  std::vector<std::uint32_t> order = shuffle ? random_permutation(train_rows, hash64(seed, "shuffle")) : train;
  if (shuffle) std::ranges::transform(order, order.begin(), [&](std::uint32_t i) { return train[i]; });
  train = {};  // there may be many rows
  for (std::int64_t q = 0; q < partitions; ++q) {
    split.partitions.emplace_back(order.begin() + q * train_rows / partitions,
                                  order.begin() + (q + 1) * train_rows / partitions);
  }
  return split;
}

}  // namespace hop::data
