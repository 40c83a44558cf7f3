// hop export RUN_DIR --model ID --to FILE.safetensors: trained weights for PyTorch.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "cli/commands.h"
#include "hopper/detail/run_directory.h"
#include "hopper/run.h"
#include "nn/safetensors.h"

namespace hop::cli {
namespace {

using Json = nlohmann::ordered_json;

// The numbers that turn a raw row into the model's input, and the names that turn an output into a class. Nobody has to
// remember them.
nn::SafetensorsMetadata metadata_of(const std::string& run_directory) {
  const data::Scaling scaling = hopper::run_scaling(run_directory);
  Json columns = Json::array();
  for (const data::FeatureColumn& column : scaling.columns()) {
    columns.push_back({{"name", column.name}, {"offset", column.scale.offset}, {"factor", column.scale.factor}});
  }
  const Json all = {{"offset", scaling.all().offset}, {"factor", scaling.all().factor}};
  const Json classes = hopper::run_dataset(run_directory).class_names();
  const auto text = [](const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); };
  return {{"format", "pt"}, {"features", text(scaling.is_per_column() ? columns : all)}, {"classes", text(classes)}};
}

int export_model(const std::string& directory, ModelId model, const std::string& file) {
  if (hopper::belongs_to_run(file, directory)) {
    throw ConfigError("[export] expected a file of your own, got " + file + ", which belongs to the run");
  }
  tell_source_change(directory);
  const auto module = hopper::load_model(directory, model);
  nn::save(*module, file, metadata_of(directory));
  // If the tensors went to stdout, the message must not.
  std::error_code ignored;
  std::fprintf(std::filesystem::is_regular_file(file, ignored) ? stdout : stderr, "wrote %zu tensors to %s\n",
               module->state_dict().size(), file.c_str());
  return kOk;
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  auto directory = std::make_shared<std::string>();
  auto model = std::make_shared<std::uint32_t>(0);
  auto file = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("export", "Write a trained model's weights as safetensors");
  command->add_option("run_dir", *directory, "The run directory")->required();
  command->add_option("--model", *model, "The model's id")->required();
  command->add_option("--to", *file, "The file to write")->required();
  command->callback([=, &action] { action = [=] { return export_model(*directory, ModelId(*model), *file); }; });
}

}  // namespace hop::cli
