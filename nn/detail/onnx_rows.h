// The front of an ONNX graph: from raw rows to the input of the model, the same numbers that RowEncoder makes.
#pragma once

#include "data/row_schema.h"
#include "nn/detail/onnx_model.h"

namespace hop::nn::detail {

struct OnnxRows {
  OnnxValue features{};  ///< f32 (N, ..), what the model takes
  /// f32 (N, 1): 0, or NaN for a row that RowEncoder refuses, because it has no number or an infinite one where a
  /// number must be. A graph cannot refuse a row, but its answer shall not look like one. Empty if there are none.
  OnnxValue refused{};
};

/// Adds the inputs, and the nodes that prepare them. A table with categories has one input per column, numbers f32
/// (N, 1) and words (N, 1); other rows are one input, (N, columns) or (N, C, H, W), in the dtype of the training rows.
OnnxRows add_onnx_rows(OnnxModel& model, const data::RowSchema& schema);

}  // namespace hop::nn::detail
