// hop export RUN_DIR (--model ID | --best) --to FILE.safetensors: a trained model with what its inputs and outputs
// mean, and a script for PyTorch beside it.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "cli/commands.h"
#include "hopper/detail/run_directory.h"
#include "hopper/run.h"
#include "nn/predictor_file.h"
#include "nn/torch_script.h"

namespace hop::cli {
namespace {

namespace fs = std::filesystem;

struct ExportArguments {
  std::string directory;
  std::optional<std::uint32_t> model;
  bool best = false, last = false;
  std::string file;
};

nn::SafetensorsMetadata facts_of(const hopper::Results& results, const hopper::ModelResult& model) {
  return {{"run", results.name}, {"id", std::to_string(model.id.value)}, {"config", model.config.to_json()}};
}

// A script of ours may be replaced, a file of the user's may not.
bool may_write(const fs::path& script) {
  std::ifstream stream(script);
  std::string line;
  return !stream || (std::getline(stream, line) && line == nn::kTorchScriptMark);
}

// The script finds the weights by its own name, so it lies beside them. Nothing lies beside a pipe.
void write_script(const nn::Predictor& predictor, const fs::path& file) {
  fs::path script = file;
  script.replace_extension(".py");
  if (file.extension() != ".safetensors") return;
  const std::string text = nn::torch_script(predictor);
  if (text.empty()) {
    std::fprintf(stderr, "no script for PyTorch: it does not have the layers of this model\n");
  } else if (!may_write(script)) {
    std::fprintf(stderr, "no script for PyTorch: %s is there, and not of `hop export`\n", script.c_str());
  } else {
    write_file_atomically(script, as_bytes(text), raise<StateError>);
    std::printf("wrote %s: `python %s ROWS.csv` predicts with PyTorch\n", script.c_str(), script.c_str());
  }
}

int export_model(const ExportArguments& arguments) {
  if (hopper::belongs_to_run(arguments.file, arguments.directory)) {
    throw ConfigError("[export] expected a file of your own, got " + arguments.file + ", which belongs to the run");
  }
  tell_source_change(arguments.directory);
  const hopper::Results results = hopper::inspect(arguments.directory);
  const ModelId id = arguments.model ? ModelId(*arguments.model) : hopper::best_model(results);
  const nn::Predictor predictor = hopper::load_predictor(arguments.directory, id, {}, which_of(arguments.last));
  nn::save_predictor(predictor, arguments.file, facts_of(results, results.model(id)));
  // If the tensors went to stdout, the message must not.
  std::error_code ignored;
  const bool is_file = fs::is_regular_file(arguments.file, ignored);
  std::fprintf(is_file ? stdout : stderr, "wrote %zu tensors of model %u to %s\n",
               predictor.module().state_dict().size(), id.value, arguments.file.c_str());
  if (is_file) write_script(predictor, arguments.file);
  return kOk;
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* command = app.add_subcommand("export", "Write a trained model for other programs: safetensors and PyTorch");
  command->add_option("run_dir", arguments->directory, "The run directory")->required();
  CLI::Option_group* which = command->add_option_group("which", "Which model");
  which->add_option("--model", arguments->model, "The model's id");
  which->add_flag("--best", arguments->best, "The best model of the run");
  which->require_option(1);
  add_last(*command, arguments->last);
  command->add_option("--to", arguments->file, "The file to write: NAME.safetensors; NAME.py lies beside it")
      ->required();
  command->callback([=, &action] { action = [=] { return export_model(*arguments); }; });
}

}  // namespace hop::cli
