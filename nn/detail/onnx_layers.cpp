#include "nn/detail/onnx_layers.h"

#include "base/error.h"
#include "kernels/copy.h"

namespace hop::nn::detail {

OnnxValue OnnxLayer::weight(std::string_view which) const {
  const std::string full = name + "." + std::string(which);
  for (const NamedTensor& entry : state) {
    if (entry.name == full) return model.tensor(full, kernels::cast(entry.tensor.detach(), DType::f32));
  }
  throw StateError("[onnx] expected a tensor " + full + ", got a model without it");
}

OnnxValue OnnxLayer::weight(std::string_view which, const std::vector<std::int64_t>& shape) const {
  return model.node("Reshape", {weight(which), model.integers(shape)});
}

OnnxValue add_onnx_layer(const LayerKind& kind, const OnnxLayer& layer, const OnnxValue& x) {
  if (kind.nodes == nullptr) {
    throw ConfigError("[onnx] expected layers that ONNX has, got \"" + std::string(kind.name) +
                      "\": export the model as .safetensors");
  }
  return kind.nodes(layer, x);
}

}  // namespace hop::nn::detail
