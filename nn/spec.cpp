#include "nn/spec.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "nn/detail/spec_table.h"
#include "nn/detail/text.h"

namespace hop::nn {
namespace {

using detail::Attribute;
using detail::LayerKind;

constexpr std::size_t kMaxLayerText = 1'000;
constexpr double kMaxSampleElements = 1e9;  // of one sample between two layers

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// `[spec] layer 3 "linear ten": ` before every message about a layer.
[[noreturn]] void reject(std::size_t index, std::string_view text, const std::string& what) {
  throw ConfigError("[spec] layer " + std::to_string(index) + " " + quoted(text.substr(0, 80)) + ": " + what);
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; (at = text.find_first_not_of(" \t", at)) != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

const LayerKind& kind_of(std::string_view name) {
  if (const LayerKind* kind = detail::find_layer_kind(name)) return *kind;
  throw ConfigError("expected the name of a layer, got " + quoted(name) + hint(name, spec_layer_names()));
}

std::size_t attribute_index(const LayerKind& kind, std::string_view name) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kind.attributes.size(); ++i) {
    if (kind.attributes[i].name == name) return i;
    names.push_back(kind.attributes[i].name);
  }
  throw ConfigError(std::string(kind.name) + " has no attribute " + quoted(name) + hint(name, names));
}

std::string checked_value(const Attribute& attribute, std::string_view text) {
  std::string value = detail::canonical_value(attribute, text);
  if (!value.empty()) return value;
  throw ConfigError(std::string(attribute.name) + " expects " + detail::expectation(attribute) + ", got " +
                    quoted(text));
}

// A layer's text for messages, also if its values are wrong.
std::string label(const LayerSpec& layer) {
  try {
    return layer.to_text();
  } catch (const ConfigError&) {
    return layer.kind;
  }
}

// Parses a layer's words. Its errors do not name the layer.
LayerSpec parse_layer(std::string_view text) {
  if (text.size() > kMaxLayerText) throw ConfigError("expected at most 1,000 characters");
  const std::vector<std::string_view> words = words_of(text);
  if (words.empty()) throw ConfigError("expected the name of a layer, got nothing");
  const LayerKind& kind = kind_of(words[0]);
  LayerSpec layer{std::string(kind.name), std::vector<std::string>(kind.attributes.size())};
  bool named = false;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    if (equals == std::string_view::npos && named) throw ConfigError("expected name=value, got " + quoted(words[i]));
    if (equals == std::string_view::npos && i > kind.attributes.size()) {
      throw ConfigError("expected at most " + std::to_string(kind.attributes.size()) + " values, got " +
                        quoted(words[i]));
    }
    named = equals != std::string_view::npos;
    const std::size_t index = named ? attribute_index(kind, words[i].substr(0, equals)) : i - 1;
    const Attribute& attribute = kind.attributes[index];
    if (!layer.values[index].empty()) throw ConfigError("expected " + std::string(attribute.name) + " once");
    layer.values[index] = checked_value(attribute, named ? words[i].substr(equals + 1) : words[i]);
  }
  for (std::size_t i = 0; i < layer.values.size(); ++i) {
    if (layer.values[i].empty()) layer.values[i] = kind.attributes[i].fallback;
    if (layer.values[i].empty()) throw ConfigError("expected a value for " + std::string(kind.attributes[i].name));
  }
  return layer;
}

// A LayerSpec is plain data that any code may have made. It is checked here, so that the rules below read only checked
// values.
const LayerKind& checked_kind(const LayerSpec& layer) {
  const LayerKind& kind = kind_of(layer.kind);
  if (layer.values.size() != kind.attributes.size()) {
    throw ConfigError("expected " + std::to_string(kind.attributes.size()) + " values, got " +
                      std::to_string(layer.values.size()));
  }
  for (std::size_t i = 0; i < layer.values.size(); ++i) checked_value(kind.attributes[i], layer.values[i]);
  return kind;
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

std::string LayerSpec::to_text() const {
  const LayerKind& layer = checked_kind(*this);
  std::string text = kind;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Attribute& attribute = layer.attributes[i];
    if (values[i] == attribute.fallback) continue;
    text += " " + (attribute.positional ? values[i] : std::string(attribute.name) + "=" + values[i]);
  }
  return text;
}

std::vector<LayerSpec> parse_spec(std::span<const std::string> layers, const SpecLimits& limits) {
  if (layers.empty()) throw ConfigError("[spec] expected at least one layer, got none");
  if (layers.size() > limits.layers) {
    throw ConfigError("[spec] expected at most " + std::to_string(limits.layers) + " layers, got " +
                      std::to_string(layers.size()));
  }
  std::vector<LayerSpec> parsed;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    try {
      parsed.push_back(parse_layer(layers[i]));
    } catch (const ConfigError& error) {
      reject(i, layers[i], error.what());
    }
  }
  return parsed;
}

SpecPlan plan_spec(std::span<const LayerSpec> layers, const data::Input& sample, const SpecLimits& limits) {
  SpecPlan plan;
  double bytes = 0;
  Shape shape = sample.shape;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    try {
      if (i == 0) check_sample(sample.shape);
      const LayerKind& kind = checked_kind(layers[i]);
      if (i == 0) check_words(kind, sample);
      const detail::Arguments arguments(layers[i].values, detail::words_for(i, sample));
      const Shape next = kind.shape(arguments, shape);
      check_sample(next);
      if (kind.elements != nullptr) bytes += kind.elements(arguments, shape) * static_cast<double>(size_of(DType::f32));
      shape = next;
    } catch (const Error& error) {
      reject(i, label(layers[i]), error.what());
    }
    if (bytes > static_cast<double>(limits.parameter_bytes)) {
      reject(i, layers[i].to_text(),
             "expected at most " + std::to_string(limits.parameter_bytes) + " bytes of parameters up to here, got " +
                 shortest(bytes));
    }
    plan.shapes.push_back(shape);
  }
  plan.parameter_bytes = static_cast<std::uint64_t>(bytes);
  return plan;
}

Sequential build_spec(std::span<const LayerSpec> layers, const data::Input& sample, const SpecLimits& limits) {
  const SpecPlan plan = plan_spec(layers, sample, limits);
  Sequential model;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Shape& input = i == 0 ? sample.shape : plan.shapes[i - 1];
    model.append(
        kind_of(layers[i].kind).build(detail::Arguments(layers[i].values, detail::words_for(i, sample)), input));
  }
  return model;
}

std::vector<std::string_view> spec_layer_names() {
  std::vector<std::string_view> names;
  for (const LayerKind& kind : detail::layer_kinds()) names.push_back(kind.name);
  return names;
}

std::vector<LayerUsage> spec_usages() {
  const auto upper = [](std::string_view name) {
    std::string text(name);
    for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return text;
  };
  const auto add = [](std::string& text, const std::string& word) { text += (text.empty() ? "" : " ") + word; };
  std::vector<LayerUsage> usages;
  for (const LayerKind& kind : detail::layer_kinds()) {
    LayerUsage& usage = usages.emplace_back(LayerUsage{kind.name, {}, {}});
    for (const Attribute& attribute : kind.attributes) {
      const bool is_required = attribute.fallback.empty();
      if (is_required) add(usage.values, upper(attribute.name));
      if (!is_required) add(usage.options, std::string(attribute.name) + "=" + std::string(attribute.fallback));
    }
  }
  return usages;
}

}  // namespace hop::nn
