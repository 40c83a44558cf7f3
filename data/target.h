// What a data set asks of a model: a class per row, or numbers. It stands in the manifest, and goes where a model goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/schema.h"

namespace hop::data {

enum class TargetKind : std::uint8_t {
  classes,  ///< labels are i64 (), 0 .. classes - 1
  numbers   ///< labels are f32 (k), as they stand in the file
};

/// A number that a model predicts.
struct TargetColumn {
  std::string name = {};  ///< as in the header; "" if there was none
  Scale scale = {};       ///< to mean 0 and standard deviation 1, fitted on the training rows. Not every loss wants it
  double least = 0, greatest = 0;  ///< of the training rows
  bool operator==(const TargetColumn&) const = default;
};

struct Target {
  TargetKind kind = TargetKind::classes;
  std::int64_t classes = 0;                   ///< 0 for numbers
  std::vector<std::string> class_names = {};  ///< empty, or one per class
  std::vector<TargetColumn> columns = {};     ///< numbers: in the order of the file's columns
  bool operator==(const Target&) const = default;

  /// The outputs of a model: one per class, or one per number.
  std::int64_t outputs() const;
  /// The column "y" of a partition.
  Column column() const;
};

/// The number that an output of a model stands for, if the model learnt (x - offset) * factor.
double undo(const Scale& scale, double output);

/// The word of a user: "class", "number".
std::string_view name(TargetKind kind);
/// Throws ConfigError for another word.
TargetKind target_kind_from_name(std::string_view word);

}  // namespace hop::data
