// What is noticed of a column of numbers while its rows pass by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <unordered_set>

namespace hop::data {

/// The range, and what is lost when the numbers become f32.
struct NumberColumn {
  double least = std::numeric_limits<double>::infinity(), greatest = -least, greatest_error = 0;
  bool whole_rounded = false;  ///< some whole number is no f32: two ids may become one
  bool counts_up = true;       ///< each number is one more than the number of the row before
  float first = 0, last = 0;
  std::int64_t rows = 0, missing = 0;

  static constexpr std::size_t kLookedAt = 4096;  ///< so many of the first numbers are compared with each other

  void include(double value);  ///< of the next row
  void precede(double value);  ///< of a row before all others
  void miss() { ++missing; }
  /// Whole numbers that all differ, as far as it was looked: many rows, and no two alike.
  bool looks_like_an_id() const;
  /// The errors are no longer small beside the differences between the values.
  bool is_blurred() const { return greatest_error * 1000 > greatest - least && greatest > least; }

 private:
  void measure(double value);
  void compare(double value);

  bool may_be_id_ = true;
  std::unordered_set<double> seen_{};  // while it may be one
};

}  // namespace hop::data
