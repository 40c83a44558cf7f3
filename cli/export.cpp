// hop export RUN_DIR (--model ID | --best) --to FILE: a trained model with what its inputs and outputs mean. The name
// decides the format: FILE.safetensors, with a script for PyTorch beside it, or FILE.onnx.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/words.h"
#include "cli/commands.h"
#include "hopper/detail/run_directory.h"
#include "hopper/run.h"
#include "nn/onnx_export.h"
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

bool is_regular(const fs::path& file) {
  std::error_code ignored;
  return fs::is_regular_file(file, ignored);
}

// The format that the name asks for. A name without an ending, such as that of a pipe, asks for safetensors.
bool is_onnx(const fs::path& file) {
  const fs::path ending = file.extension();
  if (ending == ".onnx") return true;
  if (ending.empty() || ending == ".safetensors") return false;
  throw ConfigError("[export] expected a name that ends in .safetensors or .onnx, got " + file.string());
}

// A script of ours may be replaced, a file of the user's may not.
bool may_write(const fs::path& script) {
  std::error_code unknown;
  if (!fs::exists(script, unknown)) return !unknown;
  if (!fs::is_regular_file(script, unknown)) return false;
  std::ifstream stream(script);
  std::string line;
  return std::getline(stream, line) && line == nn::kTorchScriptMark;
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

// If the bytes went to stdout, words must not.
std::FILE* people(const fs::path& file) { return is_regular(file) ? stdout : stderr; }

void write_safetensors(const nn::Predictor& predictor, const fs::path& file, const nn::SafetensorsMetadata& facts) {
  nn::save_predictor(predictor, file, facts);
  std::fprintf(people(file), "wrote %zu tensors of model %s to %s\n", predictor.module().state_dict().size(),
               facts.at("id").c_str(), file.c_str());
  if (is_regular(file)) write_script(predictor, file);
}

void write_onnx(const nn::Predictor& predictor, const fs::path& file, const nn::SafetensorsMetadata& facts) {
  const nn::OnnxFile onnx = nn::encode_onnx(predictor, facts);
  write_output(file, as_bytes(onnx.bytes), raise<StateError>);
  const std::vector<std::string_view> inputs(onnx.inputs.begin(), onnx.inputs.end());
  const std::vector<std::string_view> outputs(onnx.outputs.begin(), onnx.outputs.end());
  std::fprintf(people(file), "wrote model %s to %s: %s in, %s out\n", facts.at("id").c_str(), file.c_str(),
               list_of(inputs).c_str(), list_of(outputs).c_str());
}

int export_model(const ExportArguments& arguments) {
  if (hopper::belongs_to_run(arguments.file, arguments.directory)) {
    throw ConfigError("[export] expected a file of your own, got " + arguments.file + ", which belongs to the run");
  }
  const bool onnx = is_onnx(arguments.file);
  tell_source_change(arguments.directory);
  const hopper::Results results = hopper::inspect(arguments.directory);
  const ModelId id = arguments.model ? ModelId(*arguments.model) : hopper::best_model(results);
  const nn::Predictor predictor = hopper::load_predictor(arguments.directory, id, {}, which_of(arguments.last));
  tell_earlier_state(results, id, which_of(arguments.last));
  const nn::SafetensorsMetadata facts = facts_of(results, results.model(id));
  onnx ? write_onnx(predictor, arguments.file, facts) : write_safetensors(predictor, arguments.file, facts);
  return kOk;
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* command =
      app.add_subcommand("export", "Write a trained model for other programs: safetensors and PyTorch, or ONNX");
  command->add_option("run_dir", arguments->directory, "The run directory")->required();
  CLI::Option_group* which = command->add_option_group("which", "Which model");
  which->add_option("--model", arguments->model, "The model's id")->transform(whole_number());
  which->add_flag("--best", arguments->best, "The best model of the run");
  which->require_option(1);
  add_last(*command, arguments->last);
  command
      ->add_option("--to", arguments->file,
                   "The file to write: NAME.safetensors, with NAME.py beside it; or NAME.onnx, for onnxruntime")
      ->required();
  command->callback([=, &action] { action = [=] { return export_model(*arguments); }; });
}

}  // namespace hop::cli
