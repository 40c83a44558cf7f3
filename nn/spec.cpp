#include "nn/spec.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "nn/detail/spec_plan.h"
#include "nn/detail/spec_table.h"
#include "nn/detail/text.h"

namespace hop::nn {
namespace {

using detail::Attribute;
using detail::LayerKind;

constexpr std::string_view kWhere = "[spec]";
constexpr std::size_t kMaxLayerText = 1'000;
constexpr int kMaxDepth = 4;  // of branches within branches

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; (at = text.find_first_not_of(" \t", at)) != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
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

// The layer that a wrong name means; empty if none is near. "transformer" is the beginning of a name, although its
// letters are nearer to "transpose".
std::string near_layer(std::string_view name) {
  for (const std::string_view layer : spec_layer_names()) {
    if (layer.starts_with(std::string(name) + "_")) return std::string(layer);
  }
  return nearest(name, spec_layer_names());
}

// "Linear(10, 8)", "nn.Linear 8", "dense: 8": the name that is meant, and what stands behind it.
[[noreturn]] void refuse_layer(std::string_view text) {
  const std::size_t end = std::min(text.find_first_of(" \t(:,["), text.size());
  const std::string_view name = text.substr(0, end), behind = text.substr(end);
  const std::string near = near_layer(name.substr(name.rfind('.') + 1));
  std::string message = "expected the name of a layer, got " + quoted(name);
  if (near.empty()) throw ConfigError(message + "; the layers are " + list_of(spec_layer_names(), 100));
  const bool has_values = behind.find_first_of("(:[") == std::string_view::npos &&
                          behind.find(", ") == std::string_view::npos && !behind.starts_with(',');
  message += "; did you mean " + quoted(has_values ? near + std::string(behind) : near) + "?";
  throw ConfigError(has_values ? message
                               : message + " Spaces stand before and between its values, as in \"conv2d 16 3\"");
}

// Parses a layer's words. Its errors do not name the layer.
LayerSpec parse_words(std::string_view text) {
  if (text.size() > kMaxLayerText) throw ConfigError("expected at most 1,000 characters");
  const std::vector<std::string_view> words = words_of(text);
  if (words.empty()) throw ConfigError("expected the name of a layer, got nothing");
  if (detail::find_layer_kind(words[0]) == nullptr) refuse_layer(text.substr(text.find_first_not_of(" \t")));
  const LayerKind& kind = detail::kind_of(words[0]);
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

// Takes "{ .. }" from the front of the text, and returns what stands inside.
std::string_view take_branch(std::string_view& text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    if (depth > 0) continue;
    if (depth < 0 || text[i] != '}') throw ConfigError("expected { or the end, got " + quoted(text.substr(0, 80)));
    const std::string_view inside = text.substr(1, i - 1);
    text.remove_prefix(std::min(text.find_first_not_of(" \t", i + 1), text.size()));
    return inside;
  }
  throw ConfigError("expected a } for each {");
}

// The texts between semicolons, outside of inner braces.
std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size()) depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    if (i < text.size() && (text[i] != ';' || depth != 0)) continue;
    parts.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  return parts;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

// Parses a layer with its branches. `layers` counts those of branches. Its errors do not name the layer.
LayerSpec parse_layer(std::string_view text, const SpecLimits& limits, std::size_t& layers, int depth = 0) {
  const std::size_t brace = text.find_first_of("{}");
  if (brace == std::string_view::npos) {
    LayerSpec layer = parse_words(text);
    const LayerKind& kind = detail::kind_of(layer.kind);
    if (kind.least_branches > 0) throw ConfigError("expected a branch: " + layer.kind + " { LAYERS }");
    return layer;
  }
  if (depth == kMaxDepth)
    throw ConfigError("expected at most " + std::to_string(kMaxDepth) + " branches in each other");
  LayerSpec layer = parse_words(text.substr(0, brace));
  for (std::string_view rest = text.substr(brace); !rest.empty();) {
    const std::string where = "in branch " + std::to_string(layer.branches.size()) + ",";
    const std::vector<std::string_view> parts = parts_of(take_branch(rest));
    std::vector<LayerSpec>& branch = layer.branches.emplace_back();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (++layers > limits.layers) throw ConfigError("expected at most " + std::to_string(limits.layers) + " layers");
      try {
        branch.push_back(parse_layer(trimmed(parts[i]), limits, layers, depth + 1));
      } catch (const ConfigError& error) {
        detail::reject_layer(where, i, trimmed(parts[i]), error.what());
      }
    }
  }
  detail::checked_kind(layer);
  return layer;
}

}  // namespace

std::string LayerSpec::to_text() const {
  const LayerKind& layer = detail::checked_kind(*this);
  std::string text = kind;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Attribute& attribute = layer.attributes[i];
    if (values[i] == attribute.fallback) continue;
    text += " " + (attribute.positional ? values[i] : std::string(attribute.name) + "=" + values[i]);
  }
  for (const std::vector<LayerSpec>& branch : branches) {
    text += " {";
    for (std::size_t i = 0; i < branch.size(); ++i) text += (i == 0 ? " " : "; ") + branch[i].to_text();
    text += " }";
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
  std::size_t count = layers.size();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    try {
      parsed.push_back(parse_layer(layers[i], limits, count));
    } catch (const ConfigError& error) {
      detail::reject_layer(kWhere, i, layers[i], error.what());
    }
  }
  return parsed;
}

SpecPlan plan_spec(std::span<const LayerSpec> layers, const data::Input& sample, const SpecLimits& limits) {
  return detail::plan_layers(layers, sample, limits, kWhere);
}

Sequential build_spec(std::span<const LayerSpec> layers, const data::Input& sample, const SpecLimits& limits) {
  return detail::build_layers(layers, sample, plan_spec(layers, sample, limits));
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
    for (std::size_t i = 0; i < kind.most_branches; ++i) {
      add(usage.values, i < kind.least_branches ? "{ LAYERS }" : "[{ LAYERS }]");
    }
    for (const Attribute& attribute : kind.attributes) {
      const bool is_required = attribute.fallback.empty();
      if (is_required) add(usage.values, upper(attribute.name));
      if (!is_required) add(usage.options, std::string(attribute.name) + "=" + std::string(attribute.fallback));
    }
  }
  return usages;
}

}  // namespace hop::nn
