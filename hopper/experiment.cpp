#include "hopper/experiment.h"

#include <array>
#include <limits>

#include "base/error.h"
#include "base/words.h"
#include "hopper/device.h"
#include "nn/model.h"

namespace hop::hopper {
namespace {

void check_word(const char* key, const std::string& word, std::span<const std::string> words) {
  for (const std::string& valid : words) {
    if (word == valid) return;
  }
  throw ConfigError(std::string(key) + ": unknown value \"" + word + "\"" + hint(word, words));
}

std::string quoted(const std::string& text) { return to_text(Value(text)); }

std::string dimension_text(const Dimension& dimension) {
  if (const auto* range = std::get_if<Range>(&dimension)) {
    return "{ min = " + to_text(Value(range->min)) + ", max = " + to_text(Value(range->max)) +
           (range->scale == Scale::Log ? ", scale = \"log\"" : "") +
           (range->type == NumberType::Int ? ", type = \"int\"" : "") + " }";
  }
  std::string text = "[";
  for (const Value& value : std::get<Choices>(dimension)) text += (text.size() == 1 ? "" : ", ") + to_text(value);
  return text + "]";
}

std::string validation_text(const data::Validation& validation) {
  switch (validation.kind) {
    case data::Validation::Kind::none:
      return "\"none\"";
    case data::Validation::Kind::file:
      return "\"file\"";
    case data::Validation::Kind::tail:
      return "{ tail = " + std::to_string(validation.rows) + " }";
    case data::Validation::Kind::fraction:
      return "{ fraction = " + to_text(Value(validation.share)) + " }";
  }
  return {};
}

std::string objective_text(Objective objective) {
  switch (objective) {
    case Objective::ValidAccuracy:
      return "valid_accuracy";
    case Objective::ValidLoss:
      return "valid_loss";
    case Objective::TrainLoss:
      return "train_loss";
  }
  return {};
}

std::string data_section(const data::DataOptions& data) {
  std::string text = "[data]\nsource = " + quoted(data.source) + "\n";
  if (data.partitions) text += "partitions = " + std::to_string(*data.partitions) + "\n";
  if (data.validation) text += "validation = " + validation_text(*data.validation) + "\n";
  const auto* column = std::get_if<std::int64_t>(&data.label);
  text += "label = " + (column != nullptr ? std::to_string(*column) : quoted(std::get<std::string>(data.label))) + "\n";
  if (data.header) text += std::string("header = ") + (*data.header ? "true" : "false") + "\n";
  if (data.scale) {
    text += "scale = [" + to_text(Value(data.scale->offset)) + ", " + to_text(Value(data.scale->factor)) + "]\n";
  }
  return text;
}

std::string model_section(const ModelOptions& model) {
  std::string text = "[model]\n";
  if (!model.family.empty()) text += "family = " + quoted(model.family) + "\n";
  if (!model.layers.empty()) {
    text += "layers = [";
    for (const std::string& layer : model.layers) text += (&layer == model.layers.data() ? "" : ", ") + quoted(layer);
    text += "]\n";
  }
  return text + "loss = " + quoted(model.loss) + "\n";
}

std::string search_section(const SearchOptions& search) {
  std::string text = std::string("[search]\nmethod = ") +
                     (search.method == SearchMethod::Grid ? "\"grid\"" : "\"random\"") +
                     "\nepochs = " + std::to_string(search.epochs) + "\n";
  if (search.samples != 0) text += "samples = " + std::to_string(search.samples) + "\n";
  text += "objective = " + quoted(objective_text(search.objective)) + "\n\n[search.space]\n";
  for (const auto& [name, dimension] : search.space) text += quoted(name) + " = " + dimension_text(dimension) + "\n";
  return text;
}

std::string run_section(const RunSettings& run) {
  return "[run]\nstrategy = " + quoted(run.strategy) +
         "\norder = " + (run.order == Order::Fixed ? "\"fixed\"" : "\"free\"") +
         "\nworkers = " + std::to_string(run.workers) +
         "\nthreads_per_worker = " + std::to_string(run.threads_per_worker) + "\ndevice = " + quoted(run.device) +
         "\ndurable = " + (run.durable ? "true" : "false") + "\ncapture = " + (run.capture ? "true" : "false") +
         "\nprecision = " + quoted(run.precision) +
         "\ntransport = " + (run.transport == LocalTransport::Unix ? "\"unix\"" : "\"tcp\"") + "\n" +
         (run.patience ? "patience = " + to_text(Value(*run.patience)) + "\n" : "");
}

}  // namespace

void check_patience(const std::string& where, double seconds) {
  if (seconds >= kShortestPatience && seconds <= kLongestPatience) return;
  const auto whole = [](double value) { return std::to_string(static_cast<std::int64_t>(value)); };
  throw ConfigError(where + ": expected " + whole(kShortestPatience) + " to " + whole(kLongestPatience) +
                    " seconds, got " + to_text(Value(seconds)));
}

void Experiment::check() const {
  if (!is_plain_name(name)) {
    throw ConfigError(
        "name: expected letters, digits, \".\", \"_\" and \"-\" (the run directory is called so), got \"" +
        printable(name) + "\"");
  }
  if (data.source.empty()) {
    throw ConfigError(
        "[data] source: expected a folder of `hop data import`, a CSV file, a folder of raw files or \"glyphs\", got "
        "nothing");
  }
  if (seed > std::numeric_limits<std::int64_t>::max()) throw ConfigError("seed: expected at most 2^63 - 1");
  const int models = (model.family.empty() ? 0 : 1) + (model.layers.empty() ? 0 : 1) + (model.builder ? 1 : 0);
  if (models != 1) {
    throw ConfigError(std::string("[model] expected exactly one of family (\"mlp\", \"lenet\") and layers, got ") +
                      (models == 0 ? "neither" : "both"));
  }
  if (!model.family.empty()) nn::FamilyRegistry().find(model.family);
  static constexpr std::array<std::string_view, 1> kLosses = {"cross_entropy"};
  static const std::array<std::string, 1> kStrategies = {"hopping"};
  static const std::array<std::string, 3> kDevices = {"auto", "cpu", "cuda"}, kPrecisions = {"strict", "tf32", "bf16"};
  if (model.loss != kLosses[0]) {
    throw ConfigError("[model] loss: expected \"cross_entropy\", the only one so far, got \"" + printable(model.loss) +
                      "\"" + did_you_mean(model.loss, kLosses));
  }
  check_word("[run] strategy", run.strategy, kStrategies);
  if (!is_device_word(run.device)) check_word("[run] device", run.device, kDevices);
  check_word("[run] precision", run.precision, kPrecisions);
  if (search.epochs == 0) throw ConfigError("[search] epochs: expected at least 1, got 0");
  if (run.workers == 0) throw ConfigError("[run] workers: expected at least 1, got 0");
  if (run.threads_per_worker == 0) throw ConfigError("[run] threads_per_worker: expected at least 1, got 0");
  if (run.patience) check_patience("[run] patience", *run.patience);
  if (search.method == SearchMethod::Random && search.samples == 0) {
    throw ConfigError("[search] samples: random search needs the number of configurations");
  }
  check_space(search.space);
}

std::string to_toml(const Experiment& experiment) {
  return "name = " + quoted(experiment.name) + "\nseed = " + std::to_string(experiment.seed) + "\n\n" +
         data_section(experiment.data) + "\n" + model_section(experiment.model) + "\n" +
         search_section(experiment.search) + "\n" + run_section(experiment.run);
}

}  // namespace hop::hopper
