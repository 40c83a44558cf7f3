// What people should know of a table that was read.
#pragma once

#include <string>
#include <vector>

#include "data/formats/csv_table_internal.h"

namespace hop::data {

/// A line each: what was guessed of the label and the columns, and which columns look wrong. `like`: the training
/// rows, if these are test rows.
std::vector<std::string> notes_on_columns(const CsvTable& table, const CsvOptions& options, const CsvTable* like);

}  // namespace hop::data
