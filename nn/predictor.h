// A model with what its inputs and outputs mean: raw rows in, answers out.
//
//   nn::Predictor predictor = hop::hopper::run(experiment).best();
//   predictor.predict(rows).classes;                                     // a tensor of the numbers of rows
//   predictor.predict({"age", "city"}, {{"41", "Bonn"}, {"", "Kiel"}});  // rows of text, columns by name
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/row_encoder.h"
#include "data/row_schema.h"
#include "nn/model.h"
#include "nn/module.h"
#include "nn/output.h"
#include "tensor/tensor.h"

namespace hop::nn {

/// The answers for N rows.
struct Predictions {
  /// f32 (N, K). Classes: the probability of each class. Numbers: in the unit of the training rows, one per target.
  Tensor outputs{};
  std::vector<std::int64_t> classes{};  ///< of each row the most probable class; empty for numbers
};

/// A value: copies share the module. One thread at a time.
class Predictor {
 public:
  /// The module's parameters lie on the CPU. The predictor sets it to evaluation mode. `description`, if known, is how
  /// to build the module anew: an exported file needs it.
  Predictor(std::shared_ptr<Module> module, data::RowSchema schema, Output output, ModelDescription description = {});

  /// Raw rows as numbers of any dtype: (N, columns) in the order of the training rows, without labels and columns that
  /// were not used; NaN for a missing one. Images (N, C, H, W) with pixels as in the training files. Throws ShapeError;
  /// DataError that names row and column.
  Predictions predict(const Tensor& rows);
  /// Raw rows as text, with the names of their columns in any order; columns that the training rows do not have are
  /// ignored. Throws DataError that names a missing column (and the nearest one), or row and column of a cell that
  /// cannot be read.
  Predictions predict(const std::vector<std::string>& columns, const std::vector<std::vector<std::string>>& rows);
  /// Rows that RowEncoder has encoded: f32 (N, inputs).
  Predictions predict_encoded(const Tensor& inputs);

  const data::RowSchema& schema() const { return schema_; }
  const data::Target& target() const { return schema_.target; }
  Output output() const { return output_; }
  const ModelDescription& description() const { return description_; }
  Module& module() { return *module_; }
  const Module& module() const { return *module_; }
  /// "spam", or the number of a class without a name.
  std::string class_name(std::int64_t index) const;

 private:
  data::RowEncoder& encoder();

  std::shared_ptr<Module> module_;
  data::RowSchema schema_;
  std::shared_ptr<data::RowEncoder> encoder_;  // made for the first raw rows; dictionaries may be large
  Output output_;
  TargetScaling scaling_;
  ModelDescription description_;
};

}  // namespace hop::nn
