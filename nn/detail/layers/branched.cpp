// Layers that hold layers.
#include "nn/detail/layers/rows.h"

#include "base/error.h"
#include "nn/detail/onnx_layers.h"
#include "nn/detail/spec_plan.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

// ---- residual: the sum of a body and of a shortcut, which is the input itself if there is one branch

constexpr const char* kChildren[] = {"body", "shortcut"};

Shape shape_after(const Arguments& a, std::size_t branch, const Shape& sample) {
  const SpecPlan plan = plan_branch(a, branch, sample);
  return plan.shapes.empty() ? sample : plan.shapes.back();
}

Shape residual_shape(const Arguments& a, const Shape& sample) {
  const Shape body = shape_after(a, 0, sample);
  const bool has_shortcut = a.branches().size() > 1;
  const Shape beside = has_shortcut ? shape_after(a, 1, sample) : sample;
  if (body == beside) return body;
  if (!has_shortcut) {
    expected_shape("layers that keep the shape " + sample.to_string() +
                       ", or a second branch { LAYERS } that changes it as they do",
                   body);
  }
  throw ShapeError("expected one shape from both branches, got " + body.to_string() + " and " + beside.to_string());
}

double residual_elements(const Arguments& a, const Shape& sample) {
  double bytes = 0;
  for (std::size_t i = 0; i < a.branches().size(); ++i)
    bytes += static_cast<double>(plan_branch(a, i, sample).parameter_bytes);
  return bytes / static_cast<double>(size_of(DType::f32));
}

AnyModule residual(const Arguments& a, const Shape& sample) {
  const Sequential body = build_branch(a, 0, sample);
  if (a.branches().size() == 1) return std::make_shared<Residual>(body);
  return std::make_shared<Residual>(body, build_branch(a, 1, sample));
}

// "nn.Sequential(nn.Linear(16, 16), nn.ReLU())". A layer that PyTorch lacks stands as "None".
std::string torch_branch(const Arguments& a, std::size_t branch, const Shape& sample) {
  const SpecPlan plan = plan_branch(a, branch, sample);
  std::string text;
  for (std::size_t i = 0; const LayerSpec& layer : a.branches()[branch]) {
    const LayerKind& kind = kind_of(layer.kind);
    const Shape& before = i == 0 ? sample : plan.shapes[i - 1];
    text += (i == 0 ? "" : ", ") + (kind.torch == nullptr ? "None" : kind.torch(arguments_of(layer), before));
    ++i;
  }
  return "nn.Sequential(" + text + ")";
}

// A class of the script.
std::string torch_residual(const Arguments& a, const Shape& sample) {
  std::string text = "Residual(" + torch_branch(a, 0, sample);
  if (a.branches().size() > 1) text += ", " + torch_branch(a, 1, sample);
  return text + ")";
}

OnnxValue onnx_branch(const OnnxLayer& layer, std::size_t branch, OnnxValue x) {
  const SpecPlan plan = plan_branch(layer.arguments, branch, layer.sample);
  for (std::size_t i = 0; const LayerSpec& inner : layer.arguments.branches()[branch]) {
    const Arguments arguments = arguments_of(inner);
    const Shape& before = i == 0 ? layer.sample : plan.shapes[i - 1];
    const std::string name = layer.name + "." + kChildren[branch] + "." + std::to_string(i);
    x = add_onnx_layer(kind_of(inner.kind), {layer.model, arguments, before, name, layer.state}, x);
    ++i;
  }
  return x;
}

OnnxValue onnx_residual(const OnnxLayer& layer, const OnnxValue& x) {
  const OnnxValue body = onnx_branch(layer, 0, x);
  const OnnxValue beside = layer.arguments.branches().size() > 1 ? onnx_branch(layer, 1, x) : x;
  return layer.model.node("Add", {body, beside});
}

// ---- the rows

constexpr std::array kRows = {
    LayerKind{.name = "residual",
              .attributes = {},
              .shape = residual_shape,
              .elements = residual_elements,
              .build = residual,
              .torch = torch_residual,
              .nodes = onnx_residual,
              .least_branches = 1,
              .most_branches = 2},
};

}  // namespace

std::span<const LayerKind> branched_layers() { return kRows; }

}  // namespace hop::nn::detail
