// CSV files of numbers, categories and one label column; see csv_table_internal.h for how they are read.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "data/formats/format.h"
#include "data/source.h"

namespace hop::data {

/// `train.csv` (and `test.csv`), or else the only file that ends in .csv or .data, or in .tsv. Empty if there is none.
/// Throws DataError if there are several and none is called train.csv.
std::vector<std::filesystem::path> find_csv(const std::filesystem::path& folder);

/// training rows [, test rows]. Each row is f32, one value per column that is a number or a category
/// (RowSource::table). Memory does not grow with the number of rows. Classes are the distinct labels of the training
/// rows: in numeric order if all are whole numbers (1, 1.0 and 01 are one class), otherwise in the order of their
/// bytes. Throws DataError that names file, line and column; ConfigError for options that do not fit the file.
RawData open_csv(std::span<const std::filesystem::path> files, const CsvOptions& options);

}  // namespace hop::data
