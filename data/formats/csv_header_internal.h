// Decides whether the first record of a table is its header, if it may be either.
#pragma once

#include <string>
#include <vector>

#include "data/formats/csv_table_internal.h"

namespace hop::data {

/// Whether `first` looks like names compared with the rows of `rest` (see read_csv).
bool looks_like_header(const std::vector<std::string>& first, const CsvTable& rest);

}  // namespace hop::data
