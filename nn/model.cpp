#include "nn/model.h"

#include <algorithm>

#include "base/error.h"
#include "nn/detail/text.h"
#include "nn/families.h"

namespace hop::nn {
namespace {

constexpr std::size_t kMaxTextBytes = 16 << 20;
constexpr std::string_view kFamily = "family ";
constexpr std::string_view kLayer = "layer ";
constexpr std::string_view kEquals = " = ";

void check_either(const ModelDescription& d) {
  if (d.family.empty() == d.layers.empty()) {
    throw ConfigError("[model] expected either a family or layers, got " +
                      std::string(d.family.empty() ? "neither" : "both"));
  }
}

// The layers with their values filled in. $outputs, or $classes, is the number of outputs that the data need.
std::vector<LayerSpec> resolve(const ModelDescription& d, std::int64_t classes, const SpecLimits& limits) {
  ConfigText values = d.config;
  for (const char* name : {"classes", "outputs"}) values[name] = std::to_string(classes);
  std::vector<std::string> layers;
  for (std::size_t i = 0; i < d.layers.size(); ++i) {
    try {
      layers.push_back(substitute(d.layers[i], values));
    } catch (const ConfigError& error) {
      throw ConfigError("[spec] layer " + std::to_string(i) + " \"" + d.layers[i].substr(0, 80) +
                        "\": " + error.what());
    }
  }
  return parse_spec(layers, limits);
}

// One line of text must stay one line.
const std::string& one_line(const std::string& text) {
  if (text.find_first_of("\n\r") == std::string::npos) return text;
  throw ConfigError("[model] expected text without line breaks, got \"" + text.substr(0, 80) + "\"");
}

}  // namespace

FamilyRegistry::FamilyRegistry() {
  for (const FamilyRow& row : families()) register_family(std::string(row.name), row.make);
}

void FamilyRegistry::register_family(std::string name, FamilyBuilder builder) {
  const auto [entry, is_new] = builders_.emplace(std::move(name), std::move(builder));
  if (!is_new) throw ConfigError("[model] expected a new family, got \"" + entry->first + "\", which is taken");
}

std::vector<std::string> FamilyRegistry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, builder] : builders_) names.push_back(name);
  return names;
}

const FamilyBuilder& FamilyRegistry::find(std::string_view name) const {
  if (const auto found = builders_.find(name); found != builders_.end()) return found->second;
  std::vector<std::string_view> names;
  for (const auto& entry : builders_) names.push_back(entry.first);
  throw ConfigError("[model] expected the name of a family, got \"" + std::string(name) + "\"" + hint(name, names));
}

std::string ModelDescription::to_text(std::int64_t classes) const {
  check_either(*this);
  std::string text;
  if (family.empty()) {
    for (const LayerSpec& layer : resolve(*this, classes, {})) text += std::string(kLayer) + layer.to_text() + "\n";
    return text;
  }
  text = std::string(kFamily) + one_line(family) + "\n";
  for (const auto& [name, value] : config) {
    if (name.empty() || name.find_first_of(" =") != std::string::npos) {
      throw ConfigError("[model] expected a name without spaces and =, got \"" + name.substr(0, 80) + "\"");
    }
    text += one_line(name) + std::string(kEquals) + one_line(value) + "\n";
  }
  return text;
}

ModelDescription ModelDescription::from_text(std::string_view text) {
  if (text.size() > kMaxTextBytes) throw ConfigError("[model] expected a description of at most 16 MiB");
  ModelDescription d;
  const auto next_line = [&text] {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    return line;
  };
  const auto reject = [](const char* expected, std::string_view line) {
    throw ConfigError("[model] expected " + std::string(expected) + ", got \"" + std::string(line.substr(0, 80)) +
                      "\"");
  };
  if (text.starts_with(kFamily)) d.family = next_line().substr(kFamily.size());
  while (!text.empty()) {
    const std::string_view line = next_line();
    const std::size_t equals = line.find(kEquals);
    if (d.family.empty()) {
      if (!line.starts_with(kLayer)) reject("family NAME or layer TEXT", line);
      d.layers.emplace_back(line.substr(kLayer.size()));
    } else {
      if (equals == std::string_view::npos || equals == 0) reject("NAME = VALUE", line);
      d.config.emplace(line.substr(0, equals), line.substr(equals + kEquals.size()));
    }
  }
  check_either(d);
  return d;
}

std::vector<NamedLayer> layers_of(const ModelDescription& description, const data::Input& sample,
                                  std::int64_t classes) {
  check_either(description);
  if (!description.family.empty()) {
    return family_layers(description.family, {description.config, sample.shape, classes, sample.words});
  }
  std::vector<NamedLayer> layers;
  for (const LayerSpec& layer : resolve(description, classes, {})) {
    layers.push_back({std::to_string(layers.size()), layer.to_text()});
  }
  return layers;
}

std::shared_ptr<Module> build_model(const ModelDescription& description, const data::Input& sample,
                                    std::int64_t classes, const FamilyRegistry& families, const SpecLimits& limits) {
  check_either(description);
  if (!description.family.empty()) {
    return families.find(description.family)({description.config, sample.shape, classes, sample.words});
  }
  const std::vector<LayerSpec> layers = resolve(description, classes, limits);
  const Shape output = plan_spec(layers, sample, limits).shapes.back();
  if (classes > 0 && !(output == Shape{classes})) {
    throw ConfigError("[spec] layer " + std::to_string(layers.size() - 1) + " \"" + layers.back().to_text() +
                      "\": expected the last layer to give " + Shape{classes}.to_string() + ", got " +
                      output.to_string());
  }
  return std::make_shared<Sequential>(build_spec(layers, sample, limits));
}

}  // namespace hop::nn
