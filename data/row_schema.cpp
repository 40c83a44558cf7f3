#include "data/row_schema.h"

#include <utility>

#include "base/json_depth_internal.h"
#include "data/dataset.h"
#include "data/schema_json_internal.h"

namespace hop::data {
namespace {

constexpr std::int64_t kMostElements = 1 << 24;  // of a row; an encoder keeps some bytes for each

}  // namespace

RowSchema row_schema(const Manifest& manifest) {
  return {manifest.columns[0], manifest.scale, manifest.table, manifest.target};
}

std::string to_json(const RowSchema& schema) {
  Json json = {{"columns", {encode(schema.features)}},
               {"kind", kind_in_json(schema.target)},
               {"classes", schema.target.classes},
               {"class_names", schema.target.class_names}};
  if (schema.target.kind == TargetKind::numbers) json["targets"] = encode(schema.target.columns);
  encode(schema.scale, json);
  encode(schema.table, json);
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

RowSchema parse_row_schema(std::string_view text, const std::string& where) {
  try {
    check_json_depth(text);
    const Json json = Json::parse(text);
    RowSchema schema{.features = decode_column(json.at("columns").at(0)),
                     .scale = decode_scaling(json),
                     .table = decode_table_of(json),
                     .target = decode_target(json)};
    schema.scale.check(schema.features.shape);
    check(schema.features.shape.numel() <= kMostElements, "expected rows of at most 16,777,216 elements");
    check_table(schema.table, schema.features, schema.scale);
    return schema;
  } catch (const std::exception& error) {  // JSON's own errors, or ours
    throw DataError(std::string("[schema] ") + error.what() + " (" + where + ")");
  }
}

}  // namespace hop::data
