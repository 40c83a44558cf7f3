// The layers of a spec as nodes of ONNX: one row for each row of spec_table.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nn/detail/onnx_model.h"
#include "nn/detail/spec_table.h"
#include "nn/module.h"

namespace hop::nn::detail {

/// A layer on its way into a graph.
struct OnnxLayer {
  OnnxModel& model;
  const Arguments& arguments;
  const Shape& sample;      ///< of one sample, before the layer
  const std::string& name;  ///< in `state`
  const StateDict& state;

  /// A parameter or buffer under its name, "conv1.weight".
  OnnxValue weight(std::string_view which) const;
  /// The same elements in another shape.
  OnnxValue weight(std::string_view which, const std::vector<std::int64_t>& shape) const;
};

struct OnnxLayerKind {
  std::string_view name;  ///< as in spec_table.h
  OnnxValue (*nodes)(const OnnxLayer& layer, const OnnxValue& x);
};

/// Throws ConfigError for a layer without a form in ONNX.
const OnnxLayerKind& onnx_layer_kind(std::string_view name);

}  // namespace hop::nn::detail
