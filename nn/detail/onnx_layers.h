// A layer of a spec on its way into a graph of ONNX. Its nodes stand in its row of spec_table.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nn/detail/onnx_model.h"
#include "nn/detail/spec_table.h"
#include "nn/module.h"

namespace hop::nn::detail {

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

/// The value that the nodes of a layer of `kind` make of `x`. Throws ConfigError if ONNX has no form of the layer.
OnnxValue add_onnx_layer(const LayerKind& kind, const OnnxLayer& layer, const OnnxValue& x);

}  // namespace hop::nn::detail
