// A message about columns that a model needs and a file does not have.
#pragma once

#include <span>
#include <string>

namespace hop::data {

/// `none named "zip"; is "zipp" meant? Then name that column "zip"`. The file is to be changed and not the model: the
/// message never offers a name of the file in place of a needed one.
/// `needed`: all columns that the model needs. `given`: those of the file.
std::string absent_columns(std::span<const std::string> absent, std::span<const std::string> needed,
                           std::span<const std::string> given);

}  // namespace hop::data
