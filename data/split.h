// The use of each row: validation rows are set aside; the others are shuffled once and cut into partitions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hop::data {

/// The source of validation rows.
struct Validation {
  enum class Kind : std::uint8_t { none, file, tail, fraction };
  Kind kind = Kind::none;
  std::int64_t rows = 0;    ///< of tail
  double share = 0.0;       ///< of fraction
  bool stratified = false;  ///< of fraction: the same share of each class

  static Validation none() { return {}; }
  /// The source's own test rows.
  static Validation file() { return {.kind = Kind::file}; }
  /// The last `rows` rows of the source, in the order of the source.
  static Validation tail(std::int64_t rows) { return {.kind = Kind::tail, .rows = rows}; }
  /// round(share * rows) rows, drawn at random; 0 < share < 1. `stratified`: of each class so many, and at least one of
  /// two or more.
  static Validation fraction(double share, bool stratified = false) {
    return {.kind = Kind::fraction, .share = share, .stratified = stratified};
  }

  bool operator==(const Validation&) const = default;
  std::string to_string() const;  ///< "none", "file", "tail 4000", "fraction 0.1", "stratified fraction 0.1"
};

/// 0 .. n - 1. n < 2^32.
std::vector<std::uint32_t> ascending_rows(std::int64_t n);

/// A random permutation of 0 .. n - 1 that is a function of `key` alone (Fisher-Yates over a Philox stream). n < 2^32.
std::vector<std::uint32_t> random_permutation(std::int64_t n, std::uint64_t key);

/// Row numbers of a source.
struct Split {
  std::vector<std::vector<std::uint32_t>> partitions{};  ///< in the order in which they are written
  std::vector<std::uint32_t> validation{};               ///< ascending; empty for Kind::none and Kind::file
};

/// Splits `rows` rows. `classes`: of each row, for stratified validation. Throws ConfigError if a partition would have
/// no row, or if the validation rows do not exist.
Split split_rows(std::int64_t rows, std::uint32_t partitions, const Validation& validation, std::uint64_t seed,
                 bool shuffle, std::span<const std::uint32_t> classes = {});

}  // namespace hop::data
