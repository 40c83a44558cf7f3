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

}  // namespace
}  // namespace hop::data
