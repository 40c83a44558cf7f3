#include "nn/detail/spec_plan.h"

#include <utility>

#include "base/error.h"
#include "nn/detail/text.h"

namespace hop::nn::detail {
namespace {

constexpr double kMaxSampleElements = 1e9;  // of one sample between two layers

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// A layer's text for messages, also if its values are wrong.
std::string label(const LayerSpec& layer) {
  try {
    return layer.to_text();
  } catch (const ConfigError&) {
    return layer.kind;
  }
}

void check_sample(const Shape& shape) {
  double elements = 1;
  for (const std::int64_t size : shape) {
    if (size < 1) throw ShapeError("expected sizes of at least 1, got " + shape.to_string());
    elements *= static_cast<double>(size);
  }
  if (elements > kMaxSampleElements)
    throw ShapeError("expected at most 1e9 values per sample, got " + shape.to_string());
}

// An index that is taken for a number trains a wrong model, and nothing would show it.
void check_words(const LayerKind& first, const data::Input& sample) {
  if (sample.words.empty() || first.takes_words) return;
  throw ConfigError(
      "expected \"embed SIZE\" as the first layer, because the last " + std::to_string(sample.words.size()) +
      " features of a row are indices of words (categories = " + "\"index\"), which this layer would take for numbers");
}

}  // namespace

const LayerKind& kind_of(std::string_view name) {
  if (const LayerKind* kind = find_layer_kind(name)) return *kind;
  throw ConfigError("expected the name of a layer, got " + quoted(name) + hint(name, spec_layer_names()));
}

const LayerKind& checked_kind(const LayerSpec& layer) {
  const LayerKind& kind = kind_of(layer.kind);
  if (layer.values.size() != kind.attributes.size()) {
    throw ConfigError("expected " + std::to_string(kind.attributes.size()) + " values, got " +
                      std::to_string(layer.values.size()));
  }
  for (std::size_t i = 0; i < layer.values.size(); ++i) {
    if (!canonical_value(kind.attributes[i], layer.values[i]).empty()) continue;
    throw ConfigError(std::string(kind.attributes[i].name) + " expects " + expectation(kind.attributes[i]) + ", got " +
                      quoted(layer.values[i]));
  }
  const std::size_t branches = layer.branches.size();
  if (branches >= kind.least_branches && branches <= kind.most_branches) return kind;
  if (kind.most_branches == 0) throw ConfigError(layer.kind + " has no branches, got " + std::to_string(branches));
  throw ConfigError("expected " + std::to_string(kind.least_branches) +
                    (kind.most_branches == kind.least_branches + 1 ? " or " : " to ") +
                    std::to_string(kind.most_branches) + " branches { LAYERS }, got " + std::to_string(branches));
}

void reject_layer(std::string_view where, std::size_t index, std::string_view text, const std::string& what) {
  throw ConfigError(std::string(where) + " layer " + std::to_string(index) + " " + quoted(text.substr(0, 80)) + ": " +
                    what);
}

SpecPlan plan_layers(std::span<const LayerSpec> layers, const data::Input& sample, const SpecLimits& limits,
                     std::string_view where) {
  SpecPlan plan;
  double bytes = 0;
  Shape shape = sample.shape;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    try {
      if (i == 0) check_sample(sample.shape);
      const LayerKind& kind = checked_kind(layers[i]);
      if (i == 0) check_words(kind, sample);
      const Arguments arguments = arguments_of(layers[i], words_for(i, sample));
      const Shape next = kind.shape(arguments, shape);
      check_sample(next);
      if (kind.elements != nullptr) bytes += kind.elements(arguments, shape) * static_cast<double>(size_of(DType::f32));
      shape = next;
    } catch (const Error& error) {
      reject_layer(where, i, label(layers[i]), error.what());
    }
    if (bytes > static_cast<double>(limits.parameter_bytes)) {
      reject_layer(where, i, layers[i].to_text(),
                   "expected at most " + std::to_string(limits.parameter_bytes) +
                       " bytes of parameters up to here, got " + shortest(bytes));
    }
    plan.shapes.push_back(shape);
  }
  plan.parameter_bytes = static_cast<std::uint64_t>(bytes);
  return plan;
}

Sequential build_layers(std::span<const LayerSpec> layers, const data::Input& sample, const SpecPlan& plan) {
  Sequential model;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Shape& input = i == 0 ? sample.shape : plan.shapes[i - 1];
    model.append(kind_of(layers[i].kind).build(arguments_of(layers[i], words_for(i, sample)), input));
  }
  return model;
}

SpecPlan plan_branch(const Arguments& arguments, std::size_t i, const Shape& sample) {
  return plan_layers(arguments.branches().at(i), sample, {}, "in branch " + std::to_string(i) + ",");
}

Sequential build_branch(const Arguments& arguments, std::size_t i, const Shape& sample) {
  return build_layers(arguments.branches().at(i), sample, plan_branch(arguments, i, sample));
}

}  // namespace hop::nn::detail
