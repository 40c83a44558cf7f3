#include "data/schema_json_internal.h"

#include <algorithm>
#include <utility>

#include "base/table.h"
#include "base/words.h"
#include "data/formats/csv_separator.h"

namespace hop::data {
namespace {

constexpr const char* kClassification = "classification";
constexpr const char* kRegression = "regression";

}  // namespace

Json encode(const Column& column) {
  return {{"name", column.name},
          {"dtype", name(column.dtype)},
          {"shape", std::vector<std::int64_t>(column.shape.begin(), column.shape.end())}};
}

Column decode_column(const Json& json) {
  std::vector<std::int64_t> sizes;
  for (const Json& size : json.at("shape")) sizes.push_back(whole(size));
  const Shape shape{std::span<const std::int64_t>(sizes)};
  (void)shape.numel();  // for its check
  return {json.at("name"), dtype_from_name(json.at("dtype").get<std::string>()), shape};
}

void encode(const Scaling& scaling, Json& json) {
  if (!scaling.is_per_column()) {
    json["scale"] = {scaling.all().offset, scaling.all().factor};
    return;
  }
  Json features = Json::array();
  for (const FeatureColumn& column : scaling.columns()) {
    features.push_back({{"name", column.name}, {"offset", column.scale.offset}, {"factor", column.scale.factor}});
  }
  json["features"] = features;
}

Scaling decode_scaling(const Json& json) {
  if (!json.contains("features")) return Scale{json.at("scale").at(0), json.at("scale").at(1)};
  std::vector<FeatureColumn> columns;
  for (const Json& feature : json.at("features")) {
    columns.push_back({feature.at("name"), {feature.at("offset"), feature.at("factor")}});
  }
  check(!columns.empty(), "expected at least one feature");
  return Scaling(std::move(columns));
}

Json encode(const TableSchema& table) {
  Json columns = Json::array();
  for (const TableColumn& column : table.columns) {
    Json& json =
        columns.emplace_back(Json{{"name", column.name}, {"place", column.place}, {"kind", name(column.kind)}});
    if (column.fill) json["fill"] = *column.fill;
    if (column.indicator) json["indicator"] = true;
    if (column.kind == ColumnKind::category) json["words"] = column.words;
    if (column.is_index()) json["categories"] = name(column.categories);
  }
  return columns;
}

TableSchema decode_table(const Json& json) {
  TableSchema table;
  for (const Json& column : json) {
    TableColumn& decoded =
        table.columns.emplace_back(TableColumn{.name = column.at("name"),
                                               .place = whole(column.at("place")),
                                               .kind = column_kind_from_name(column.at("kind").get<std::string>())});
    if (column.contains("fill")) decoded.fill = column.at("fill").get<double>();
    decoded.indicator = column.value("indicator", false);
    if (decoded.kind == ColumnKind::category) decoded.words = column.at("words").get<std::vector<std::string>>();
    check(std::ranges::is_sorted(decoded.words), "expected sorted words in column " + decoded.title());
    if (column.contains("categories")) {
      const auto word = column.at("categories").get<std::string>();
      decoded.categories = find_row(category_rules(), word, "categories of column " + decoded.title()).categories;
    }
  }
  return table;
}

void check_table(const std::optional<TableSchema>& table, const Column& features, const Scaling& scale) {
  if (!table) return;
  check(std::cmp_equal(table->features(), features.shape.numel()) && features.dtype == DType::f32,
        "expected a table with as many features as the rows have, in f32");
  check(std::ranges::count(table->columns, ColumnKind::weight, &TableColumn::kind) <= 1,
        "expected a table with at most one column of weights");
  for (std::size_t left = table->index_words().size(); left > 0; --left) {
    const Scale& of_index = scale.is_per_column() ? scale.columns()[scale.columns().size() - left].scale : scale.all();
    check(of_index == Scale{}, "expected indices of words without a scale");
  }
}

void encode(const std::optional<TableSchema>& table, Json& json) {
  if (!table) return;
  json["table"] = encode(*table);
  if (table->separator != TableSchema{}.separator) json["separator"] = std::string(1, table->separator);
}

std::optional<TableSchema> decode_table_of(const Json& json) {
  if (!json.contains("table")) return std::nullopt;
  TableSchema table = decode_table(json.at("table"));
  if (json.contains("separator"))
    table.separator = parse_separator(json.at("separator").get<std::string>(), "separator");
  return table;
}

const char* kind_in_json(const Target& target) {
  return target.kind == TargetKind::classes ? kClassification : kRegression;
}

Json encode(const std::vector<TargetColumn>& targets) {
  Json columns = Json::array();
  for (const TargetColumn& column : targets) {
    columns.push_back({{"name", column.name},
                       {"offset", column.scale.offset},
                       {"factor", column.scale.factor},
                       {"least", column.least},
                       {"greatest", column.greatest}});
  }
  return columns;
}

Target decode_target(const Json& json) {
  const auto kind = json.at("kind").get<std::string>();
  check(kind == kClassification || kind == kRegression,
        "expected a \"kind\" \"classification\" or \"regression\", got \"" + printable(kind) + "\"");
  Target target{.kind = kind == kClassification ? TargetKind::classes : TargetKind::numbers,
                .classes = whole(json.at("classes")),
                .class_names = json.at("class_names").get<std::vector<std::string>>()};
  if (target.kind == TargetKind::classes) {
    check(target.classes >= 1, "expected at least one class, got " + std::to_string(target.classes));
    return target;
  }
  check(target.classes == 0 && target.class_names.empty(), "expected no classes beside numbers to predict");
  for (const Json& column : json.at("targets")) {
    target.columns.push_back(
        {column.at("name"), {column.at("offset"), column.at("factor")}, column.at("least"), column.at("greatest")});
  }
  check(!target.columns.empty(), "expected at least one number to predict");
  return target;
}

}  // namespace hop::data
