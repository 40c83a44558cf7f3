// Layers that hold layers.
#include "nn/detail/layers/rows.h"

#include "base/error.h"
#include "nn/detail/onnx_layers.h"
#include "nn/detail/spec_plan.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;

// ---- what all of them share

Shape shape_after(const Arguments& a, std::size_t branch, const Shape& sample) {
  const SpecPlan plan = plan_branch(a, branch, sample);
  return plan.shapes.empty() ? sample : plan.shapes.back();
}

double elements_of_branches(const Arguments& a, const Shape& sample) {
  double bytes = 0;
  for (std::size_t i = 0; i < a.branches().size(); ++i)
    bytes += static_cast<double>(plan_branch(a, i, sample).parameter_bytes);
  return bytes / static_cast<double>(size_of(DType::f32));
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

/// `child`: of the module, in the names of its state.
OnnxValue onnx_branch(const OnnxLayer& layer, std::size_t branch, const std::string& child, OnnxValue x) {
  const SpecPlan plan = plan_branch(layer.arguments, branch, layer.sample);
  for (std::size_t i = 0; const LayerSpec& inner : layer.arguments.branches()[branch]) {
    const Arguments arguments = arguments_of(inner);
    const Shape& before = i == 0 ? layer.sample : plan.shapes[i - 1];
    const std::string name = layer.name + "." + child + "." + std::to_string(i);
    x = add_onnx_layer(kind_of(inner.kind), {layer.model, arguments, before, name, layer.state}, x);
    ++i;
  }
  return x;
}

// ---- residual: the sum of a body and of a shortcut, which is the input itself if there is one branch

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

AnyModule residual(const Arguments& a, const Shape& sample) {
  const Sequential body = build_branch(a, 0, sample);
  if (a.branches().size() == 1) return std::make_shared<Residual>(body);
  return std::make_shared<Residual>(body, build_branch(a, 1, sample));
}

// A class of the script.
std::string torch_residual(const Arguments& a, const Shape& sample) {
  std::string text = "Residual(" + torch_branch(a, 0, sample);
  if (a.branches().size() > 1) text += ", " + torch_branch(a, 1, sample);
  return text + ")";
}

OnnxValue onnx_residual(const OnnxLayer& layer, const OnnxValue& x) {
  const OnnxValue body = onnx_branch(layer, 0, "body", x);
  const OnnxValue beside = layer.arguments.branches().size() > 1 ? onnx_branch(layer, 1, "shortcut", x) : x;
  return layer.model.node("Add", {body, beside});
}

// ---- concat: what the branches make, one behind the other; the input stands before one branch alone

/// The dimension of a sample that `dim` names, which counts the rows of a batch as 0.
int joined_dim(const Arguments& a, const Shape& sample) {
  const std::int64_t dim = a.integer(0) < 0 ? a.integer(0) + sample.size() + 1 : a.integer(0);
  if (dim >= 1 && dim <= sample.size()) return static_cast<int>(dim) - 1;
  throw ConfigError("expected a dim in 1.." + std::to_string(sample.size()) + " of results " + sample.to_string() +
                    ", where dimension 0 is that of the rows, got " + a.text(0));
}

Shape concat_shape(const Arguments& a, const Shape& sample) {
  std::vector<Shape> parts;
  if (a.branches().size() == 1) parts.push_back(sample);
  for (std::size_t i = 0; i < a.branches().size(); ++i) parts.push_back(shape_after(a, i, sample));
  Shape joined = parts[0];
  const int dim = joined_dim(a, joined);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    Shape same = parts[i];
    if (same.size() == joined.size()) same[dim] = joined[dim];
    if (same != joined) {
      throw ShapeError("expected results that differ in dimension " + std::to_string(dim + 1) + " at most, got " +
                       parts[0].to_string() + (a.branches().size() == 1 ? " of the input and " : " and ") +
                       parts[i].to_string());
    }
    joined[dim] += parts[i][dim];
  }
  return joined;
}

AnyModule concat(const Arguments& a, const Shape& sample) {
  std::vector<Sequential> branches;
  for (std::size_t i = 0; i < a.branches().size(); ++i) branches.push_back(build_branch(a, i, sample));
  return std::make_shared<Concat>(branches, a.integer(0));
}

// A class of the script.
std::string torch_concat(const Arguments& a, const Shape& sample) {
  std::string text = "Concat(" + a.text(0);
  for (std::size_t i = 0; i < a.branches().size(); ++i) text += ", " + torch_branch(a, i, sample);
  return text + ")";
}

OnnxValue onnx_concat(const OnnxLayer& layer, const OnnxValue& x) {
  std::vector<OnnxValue> parts;
  const std::size_t branches = layer.arguments.branches().size();
  if (branches == 1) parts.push_back(x);
  for (std::size_t i = 0; i < branches; ++i) parts.push_back(onnx_branch(layer, i, std::to_string(i), x));
  return layer.model.node("Concat", parts, {{"axis", layer.arguments.integer(0)}});
}

// ---- the rows

constexpr Attribute kConcat[] = {{"dim", integer, "1", -8, 8}};

constexpr std::array kRows = {
    LayerKind{.name = "residual",
              .attributes = {},
              .shape = residual_shape,
              .elements = elements_of_branches,
              .build = residual,
              .torch = torch_residual,
              .nodes = onnx_residual,
              .least_branches = 1,
              .most_branches = 2},
    LayerKind{.name = "concat",
              .attributes = kConcat,
              .shape = concat_shape,
              .elements = elements_of_branches,
              .build = concat,
              .torch = torch_concat,
              .nodes = onnx_concat,
              .least_branches = 1,
              .most_branches = 4},
};

}  // namespace

std::span<const LayerKind> branched_layers() { return kRows; }

}  // namespace hop::nn::detail
