// Decides whether the first record of a table is its header, if it may be either.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/formats/csv_table.h"

namespace hop::data {

/// Whether `first` looks like names compared with `rest`, the other rows (see read_csv). `label` and `features` are the
/// places of the columns in the record.
bool looks_like_header(const std::vector<std::string>& first, std::size_t label, std::span<const std::size_t> features,
                       const CsvTable& rest);

}  // namespace hop::data
