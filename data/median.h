// The exact median of values that are too many to keep.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace hop::data {

/// Radix selection: the values pass by kPasses times, and each pass decides 11 bits of the median. Memory: 32 KiB.
///
///   for (int pass = 0; pass < Median::kPasses; ++pass, median.end_pass()) for (float v : values) median.include(v);
class Median {
 public:
  static constexpr int kPasses = 3;
  Median();
  void include(float value);  ///< NaN does not count
  void end_pass();
  bool is_empty() const { return count_ == 0; }
  /// Call it after the last pass, if there were values: the middle value, or the mean of the two middle values.
  double value() const;

 private:
  // One of the two middle values. Each pass counts the values with its leading bits by their next bits.
  struct Middle {
    std::uint32_t prefix = 0;
    std::int64_t rank = 0;  // among the values with this prefix
    std::vector<std::int64_t> counts{};
  };
  std::array<Middle, 2> middles_;
  std::int64_t count_ = 0;
  int pass_ = 0;
};

}  // namespace hop::data
