// The formula that scales a row, judged by the formula in the dtype that it names.
#include "data/row_scaling.h"

#include <gtest/gtest.h>

#include <vector>

namespace hop::data {
namespace {

TEST(RowScaling, OneScaleServesEveryElementOfALongRow) {
  std::vector<std::uint8_t> row(37);
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<std::uint8_t>(7 * i);
  std::vector<float> scaled(row.size());
  RowScaling(Scale{10, 0.1}).apply<float>(row.data(), scaled.data(), 37);
  for (std::size_t i = 0; i < row.size(); ++i) EXPECT_EQ(scaled[i], (static_cast<float>(row[i]) - 10.0F) * 0.1F) << i;
}

TEST(RowScaling, EachColumnHasItsOwn) {
  const float row[] = {1, 2};
  float scaled[2];
  RowScaling(Scaling({{"a", {1, 4}}, {"b", {0.5, 2}}})).apply<float>(row, scaled, 2);
  EXPECT_EQ(scaled[0], 0);
  EXPECT_EQ(scaled[1], 3);
}

TEST(RowScaling, LargeNumbersLoseTheirOffsetInDoublePrecision) {
  const std::int64_t row[] = {1'700'000'001};
  float scaled[1];
  RowScaling(Scale{1.7e9, 1}).apply<double>(row, scaled, 1);
  EXPECT_EQ(scaled[0], 1);
}

}  // namespace
}  // namespace hop::data
