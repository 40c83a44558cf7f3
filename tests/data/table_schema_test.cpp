// A row of a table as features, judged by hand.
#include "data/table_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace hop::data {
namespace {

using testing::ElementsAre;

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

std::vector<float> encoded(const TableSchema& schema, const std::vector<float>& raw) {
  std::vector<float> features(schema.features(), -1);
  schema.encode(raw, features);
  return features;
}

TEST(TableSchema, EncodesNumbersMissingOnesAndWords) {
  const TableSchema schema{{{.name = "age", .kind = ColumnKind::number, .fill = 40, .indicator = true},
                            {.name = "id", .kind = ColumnKind::ignored},
                            {.name = "city", .kind = ColumnKind::category, .words = {"Bonn", "Kiel"}},
                            {.name = "pay", .kind = ColumnKind::number, .fill = 7}}};
  EXPECT_THAT(encoded(schema, {20, 2, kMissing}), ElementsAre(20, 0, 0, 1, 7));
  EXPECT_THAT(encoded(schema, {kMissing, 1, 3}), ElementsAre(40, 1, 1, 0, 3));
  EXPECT_THAT(encoded(schema, {1, 0, 3}), ElementsAre(1, 0, 0, 0, 3)) << "a word that no training row has";
}

// age, city (an index), kind (one-hot), zip (an index).
TableSchema mixed() {
  return {
      {{.name = "age", .kind = ColumnKind::number, .fill = 40, .indicator = true},
       {.name = "city", .kind = ColumnKind::category, .words = {"", "Bonn", "Kiel"}, .categories = Categories::index},
       {.name = "kind", .kind = ColumnKind::category, .words = {"a", "b"}},
       {.place = 3, .kind = ColumnKind::category, .words = {"1"}, .categories = Categories::index}}};
}

TEST(TableSchema, PutsIndicesBehindAllOtherFeatures) {
  EXPECT_EQ(mixed().features(), 6U);
  EXPECT_THAT(encoded(mixed(), {20, 3, 1, 1}), ElementsAre(20, 0, 1, 0, 3, 1));
  EXPECT_THAT(encoded(mixed(), {kMissing, 0, 2, 0}), ElementsAre(40, 1, 0, 1, 0, 0));
  EXPECT_THAT(mixed().feature_names(), ElementsAre("age", "age is missing", "kind=a", "kind=b", "city", "column 3"));
  EXPECT_THAT(input_of({6}, mixed()).words, ElementsAre(3, 1));
  EXPECT_TRUE(input_of({6}, std::nullopt).words.empty());
}

TEST(TableSchema, ScalesAllFeaturesButIndices) {
  const Scaling scaled = scale_all({1, 2}, mixed());
  ASSERT_EQ(scaled.columns().size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(scaled.columns()[i].scale, (i < 4 ? Scale{1, 2} : Scale{})) << i;
  EXPECT_EQ(scale_all({1, 2}, std::nullopt), Scaling(Scale{1, 2}));
}

}  // namespace
}  // namespace hop::data
