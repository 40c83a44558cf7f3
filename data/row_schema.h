// What the rows of a data set are and what is predicted of them: all that turns a new row into the input of a model,
// and an output into an answer. It goes where a model goes: in a run, in an exported file, in a Predictor.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data/columns.h"
#include "data/schema.h"
#include "data/table_schema.h"
#include "data/target.h"

namespace hop::data {

struct Manifest;

struct RowSchema {
  Column features = {};  ///< of a row, as partitions store them
  Scaling scale = {};
  std::optional<TableSchema> table = {};  ///< how the cells of a table become features; none for other data
  Target target = {};
  bool operator==(const RowSchema&) const = default;

  Input input() const { return input_of(features.shape, table); }
};

RowSchema row_schema(const Manifest& manifest);

/// One line of JSON, with the keys of a manifest. Bytes that are not UTF-8 become U+FFFD.
std::string to_json(const RowSchema& schema);
/// The inverse, for text that is not trusted. Throws DataError that names `where`.
RowSchema parse_row_schema(std::string_view json, const std::string& where);

}  // namespace hop::data
