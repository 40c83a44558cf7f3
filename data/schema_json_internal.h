// What rows are and what is predicted of them, as the manifest of a data set and an exported model have it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/whole_number_internal.h"
#include "data/columns.h"
#include "data/schema.h"
#include "data/table_schema.h"
#include "data/target.h"

namespace hop::data {

using Json = nlohmann::ordered_json;

inline void check(bool valid, const std::string& message) {
  if (!valid) throw DataError(message);
}

template <class T = std::int64_t>
T whole(const Json& json) {
  const std::optional<T> number = whole_number<T>(json);
  if (!number) throw DataError("expected a whole number, got " + json.dump());
  return *number;
}

// Decoders read untrusted JSON. They throw DataError, or the library's own errors, without a place.

Json encode(const Column& column);
Column decode_column(const Json& json);

/// One pair for all features as "scale"; one for each as "features", with their names. An old reader, which knows only
/// "scale", refuses "features" instead of training with other numbers.
void encode(const Scaling& scaling, Json& json);
Scaling decode_scaling(const Json& json);

/// An old reader does not know "table" and needs none of it for training.
Json encode(const TableSchema& table);
TableSchema decode_table(const Json& json);
/// Throws unless the table makes rows with such features, and leaves indices as they are. `scale` fits the features.
void check_table(const std::optional<TableSchema>& table, const Column& features, const Scaling& scale);
/// The same as "table" of a manifest or a schema; beside it "separator", if that is no comma.
void encode(const std::optional<TableSchema>& table, Json& json);
std::optional<TableSchema> decode_table_of(const Json& json);

/// The "kind" of a target.
const char* kind_in_json(const Target& target);
/// "targets": an old reader refuses numbers to predict, because it wants at least one class.
Json encode(const std::vector<TargetColumn>& targets);
/// Of "kind", "classes", "class_names" and "targets".
Target decode_target(const Json& json);

}  // namespace hop::data
