// The schema as text, judged by what comes back.
#include "data/row_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace hop::data {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

RowSchema table_schema() {
  const TableSchema table{{{.name = "age", .place = 0, .kind = ColumnKind::number, .fill = 40.5, .indicator = true},
                           {.name = "city", .place = 1, .kind = ColumnKind::category, .words = {"", "Köln"}},
                           {.name = "pay", .place = 2, .kind = ColumnKind::label}}};
  return {.features = {"x", DType::f32, {4}},
          .scale = Scaling({{"age", {40.25, 0.1}}, {"age is missing", {}}, {"city=", {}}, {"city=Köln", {}}}),
          .table = table,
          .target = {.kind = TargetKind::numbers, .columns = {{"pay", {1000.125, 1e-3}}}}};
}

TEST(RowSchema, ComesBackFromItsText) {
  EXPECT_EQ(parse_row_schema(to_json(table_schema()), "x"), table_schema());
  const RowSchema pictures{.features = {"x", DType::u8, {1, 28, 28}},
                           .scale = Scale{0, 1.0 / 255},
                           .table = {},
                           .target = {.classes = 2, .class_names = {"cat", "dog"}}};
  EXPECT_EQ(parse_row_schema(to_json(pictures), "x"), pictures);
}

// The city is an index, and the last feature.
RowSchema index_schema() {
  RowSchema schema = table_schema();
  schema.features.shape = {3};
  schema.table->columns[1].categories = Categories::index;
  schema.scale = Scaling({{"age", {40.25, 0.1}}, {"age is missing", {}}, {"city", {}}});
  return schema;
}

TEST(RowSchema, KeepsWhichFeaturesAreIndices) {
  EXPECT_EQ(parse_row_schema(to_json(index_schema()), "x"), index_schema());
  EXPECT_THAT(index_schema().input().words, testing::ElementsAre(2));
  RowSchema scaled = index_schema();
  scaled.scale = Scaling({{"age", {40.25, 0.1}}, {"age is missing", {}}, {"city", {0, 0.5}}});
  EXPECT_THAT([&] { parse_row_schema(to_json(scaled), "x"); },
              ThrowsMessage<DataError>(HasSubstr("expected indices of words without a scale")));
  scaled.scale = Scale{0, 2};
  EXPECT_THROW(parse_row_schema(to_json(scaled), "x"), DataError);
  std::string text = to_json(index_schema());
  text.replace(text.find("\"index\""), 7, "\"hashed\"");
  EXPECT_THROW(parse_row_schema(text, "x"), DataError);
}

TEST(RowSchema, RefusesTextThatContradictsItself) {
  RowSchema wrong = table_schema();
  wrong.features.shape = {5};
  EXPECT_THAT([&] { parse_row_schema(to_json(wrong), "best.safetensors"); },
              ThrowsMessage<DataError>(HasSubstr("best.safetensors")));
  for (const char* text : {"", "[]", "{}", "{\"columns\": 3}", "{\"columns\": []}"}) {
    EXPECT_THROW(parse_row_schema(text, "x"), DataError) << text;
  }
  RowSchema huge{.features = {"x", DType::u8, {1 << 30}}, .scale = Scale{}, .table = {}, .target = {.classes = 2}};
  EXPECT_THROW(parse_row_schema(to_json(huge), "x"), DataError) << "memory must not follow a number in a text";
}

}  // namespace
}  // namespace hop::data
