// What a C program says of a data set, as JSON (hop_writer_open).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace hop::capi {

struct DatasetOptions {
  DType dtype = DType::f32;
  Shape shape = {};
  std::int64_t classes = 0;  ///< 0 if labels are numbers
  std::vector<std::string> class_names = {};
  std::vector<std::string> numbers = {};  ///< names of the numbers to predict
  bool has_weights = false;
  data::WriteOptions write = {.name = "rows", .validation = data::Validation::fraction(0.1)};
};

/// Throws ConfigError that names the key.
DatasetOptions parse_dataset_options(std::string_view json);

}  // namespace hop::capi
