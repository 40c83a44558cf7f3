#include "nn/predictor_file.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/table.h"
#include "base/version.h"
#include "nn/detail/weight_budget.h"

namespace hop::nn {
namespace {

using Json = nlohmann::ordered_json;

struct OutputName {
  std::string_view name;
  Output output;
};
constexpr OutputName kOutputs[] = {{"scores", Output::Scores},
                                   {"standard", Output::Standard},
                                   {"log_rate", Output::LogRate},
                                   {"logit", Output::Logit},
                                   {"plain", Output::Plain}};

std::string_view name_of(Output output) { return kOutputs[static_cast<std::size_t>(output)].name; }

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

bool has_description(const Predictor& predictor) {
  return !predictor.description().family.empty() || !predictor.description().layers.empty();
}

// The most that the weights of the file's model may take in memory: each of them has a tensor in the file, most in f32,
// some perhaps in f64. The spare lets a slightly larger model fail at its first missing tensor, whose message says
// more.
std::uint64_t weight_bytes(const Safetensors& file) {
  constexpr std::uint64_t kSpare = 64 << 20;
  std::uint64_t elements = 0;
  for (const NamedTensor& entry : file.tensors) elements += static_cast<std::uint64_t>(entry.tensor.numel());
  return elements * sizeof(double) + kSpare;
}

const std::string& entry(const SafetensorsMetadata& metadata, const char* key, const std::string& where) {
  const auto found = metadata.find(key);
  if (found != metadata.end()) return found->second;
  throw StateError(std::string("[predictor] expected a file of `hop export`, got none of its metadata: \"") + key +
                   "\" is missing (" + where + ")");
}

}  // namespace

SafetensorsMetadata metadata_of(const Predictor& predictor) {
  const data::Target& target = predictor.target();
  SafetensorsMetadata metadata = {{"format", "pt"},
                                  {"hopscotch", kVersion},
                                  {"schema", data::to_json(predictor.schema())},
                                  {"classes", text_of(target.class_names)},
                                  {"output", std::string(name_of(predictor.output()))}};
  if (!has_description(predictor)) return metadata;
  metadata["model"] = predictor.description().to_text(target.outputs());
  Json layers = Json::array();
  for (const NamedLayer& layer : layers_of(predictor.description(), predictor.schema().input(), target.outputs())) {
    layers.push_back(layer.text);
  }
  metadata["layers"] = text_of(layers);
  return metadata;
}

void save_predictor(const Predictor& predictor, const std::filesystem::path& path, const SafetensorsMetadata& more) {
  SafetensorsMetadata metadata = metadata_of(predictor);
  metadata.insert(more.begin(), more.end());
  save(predictor.module(), path, metadata);
}

Predictor load_predictor(const std::filesystem::path& path) {
  const Safetensors file = load_safetensors(path);
  const std::string where = path.string();
  try {
    data::RowSchema schema = data::parse_row_schema(entry(file.metadata, "schema", where), where);
    const Output output =
        find_row(std::span<const OutputName>(kOutputs), entry(file.metadata, "output", where), "output").output;
    ModelDescription description = ModelDescription::from_text(entry(file.metadata, "model", where));
    const detail::WeightBudget budget(weight_bytes(file));
    const std::shared_ptr<Module> module = build_model(description, schema.input(), schema.target.outputs());
    module->load_state_dict(file.tensors);
    return {module, std::move(schema), output, std::move(description)};
  } catch (const StateError&) {
    throw;
  } catch (const Error& error) {
    throw StateError(std::string("[predictor] ") + error.what() + " (" + where + ")");
  }
}

}  // namespace hop::nn
