// Tables of named rows: the one place where a kind of thing that users choose by name is written down.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/words.h"

namespace hop {

/// The names of a table's rows, in its order. A row has a member `name`.
template <class Row>
std::vector<std::string_view> names_of(std::span<const Row> rows) {
  std::vector<std::string_view> names;
  for (const Row& row : rows) names.push_back(row.name);
  return names;
}

/// The row of that name. Throws ConfigError `where: unknown value "x"; did you mean "y"?`.
template <class Row>
const Row& find_row(std::span<const Row> rows, std::string_view name, std::string_view where) {
  for (const Row& row : rows) {
    if (row.name == name) return row;
  }
  const std::vector<std::string_view> names = names_of(rows);
  throw ConfigError(std::string(where) + ": unknown value \"" + printable(name) + "\"" +
                    hint(name, std::span<const std::string_view>(names)));
}

}  // namespace hop
