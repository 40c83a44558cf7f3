// Median: judged by sorting the values.
#include "data/median.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/random.h"

namespace hop::data {
namespace {

double by_sorting(std::vector<float> values) {
  std::erase_if(values, [](float v) { return std::isnan(v); });
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return (static_cast<double>(values[(n - 1) / 2]) + static_cast<double>(values[n / 2])) / 2;
}

double by_passes(const std::vector<float>& values) {
  Median median;
  for (int pass = 0; pass < Median::kPasses; ++pass, median.end_pass()) {
    for (const float v : values) median.include(v);
  }
  EXPECT_FALSE(median.is_empty());
  return median.value();
}

TEST(Median, IsTheMiddleValueOrTheMeanOfTwo) {
  EXPECT_EQ(by_passes({3}), 3);
  EXPECT_EQ(by_passes({4, 1}), 2.5);
  EXPECT_EQ(by_passes({5, -1, 2}), 2);
  EXPECT_EQ(by_passes({7, 7, 7, 7}), 7);
  EXPECT_EQ(by_passes({-1e30F, 1e30F, -1e-30F, 2e30F}), (1e30F - 1e-30F) / 2.0);
}

TEST(Median, SkipsWhatIsMissing) {
  constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(by_passes({kNone, 5, kNone, 1, 2, kNone}), 2);
  Median median;
  for (int pass = 0; pass < Median::kPasses; ++pass, median.end_pass()) median.include(kNone);
  EXPECT_TRUE(median.is_empty());
}

TEST(Median, AgreesWithSortingForAnyFloats) {
  PhiloxStream random({.key = 5});
  for (int n = 1; n < 300; ++n) {
    std::vector<float> values;
    for (int i = 0; i < n; ++i) {
      const auto digit = static_cast<float>(random.below(1000)) - 500;
      const float size = std::pow(10.0F, static_cast<float>(random.below(60)) - 30);
      values.push_back(n % 3 == 0 ? digit : digit * size);  // many ties, or all sizes
    }
    EXPECT_EQ(by_passes(values), by_sorting(values)) << n;
  }
}

}  // namespace
}  // namespace hop::data
