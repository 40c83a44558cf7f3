#include "hopper/detail/run_checks.h"

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "autograd/grad_mode.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/words.h"
#include "hopper/build_model.h"
#include "hopper/build_model_internal.h"
#include "hopper/detail/feature_range.h"
#include "hopper/detail/metric_sums.h"
#include "hopper/detail/process_host.h"
#include "hopper/detail/restore.h"
#include "hopper/detail/run_directory.h"
#include "hopper/device.h"
#include "hopper/search/key.h"
#include "hopper/trainer.h"
#include "kernels/copy.h"
#include "net/key.h"
#include "net/transport.h"

namespace hop::hopper {
namespace {

// An object that workers compute with, which no wire can take; null if there is none.
const char* own_code_of_workers(const Experiment& experiment) {
  const ModelOptions& model = experiment.model;
  if (model.builder) return "model";
  if (model.loss.own() != nullptr) return "loss";
  if (model.optimizer.own() != nullptr) return "optimizer";
  if (experiment.run.strategy.own() != nullptr) return "strategy";
  for (const NameOr<nn::Metric>& metric : model.metrics) {
    if (metric.own() != nullptr) return "metric";
  }
  return nullptr;
}

bool needs_validation(const Objective& objective) { return objective.kind != Objective::TrainLoss; }

void check_objective(const Experiment& experiment, const data::Dataset& dataset) {
  const Objective objective = experiment.objective();
  const std::size_t own = own_metric_names(experiment.model).size();
  std::string missing;
  if (needs_validation(objective) && !dataset.has_validation()) {
    missing = "the data have no validation rows; rank by \"train_loss\", or set rows aside by [data] validation";
  } else if (objective.kind == Objective::Own && objective.place >= own) {
    missing = "[model] metrics has " + (own == 0 ? "none" : std::to_string(own)) + " beside the accuracy";
  } else if (objective.kind == Objective::ValidAccuracy && !measures(experiment.model, "accuracy")) {
    missing = "[model] metrics does not name \"accuracy\"";
  }
  if (missing.empty()) return;
  throw ConfigError("[search] objective: expected a metric that is measured, got \"" + to_string(objective) +
                    "\", and " + missing);
}

std::string labels_of(const data::Dataset& dataset) {
  const data::Target& target = dataset.target();
  if (target.kind == data::TargetKind::classes) return std::to_string(target.classes) + " classes";
  return target.columns.size() == 1 ? "numbers" : std::to_string(target.columns.size()) + " columns of numbers";
}

// The settings of a loss must fit the labels: a factor for each class, or for each column.
void check_settings(const Experiment& experiment, const data::Target& target) {
  if (experiment.model.loss.own() != nullptr) return;
  const NoGradGuard no_grad;
  const bool are_classes = target.kind == data::TargetKind::classes;
  const Tensor output = kernels::zeros({1, target.outputs()});
  try {
    make_loss(experiment.model)(output, are_classes ? kernels::zeros({1}, DType::i64) : output);
  } catch (const ShapeError& error) {
    throw ConfigError("[model] loss: \"" + experiment.model.loss.name() + "\": " + error.what());
  }
}

// What the loss of the experiment learns must be what the labels are.
void check_loss(const Experiment& experiment, const data::Dataset& dataset) {
  const data::Target& target = dataset.target();
  const nn::Output output = output_of(experiment.model, target.kind);
  if (output == nn::Output::Input) return check_feature_range(experiment, dataset);
  const std::string loss = "[model] loss: \"" + experiment.model.loss.name() + "\"";
  if (nn::target_kind(output) != target.kind) {
    const bool are_classes = target.kind == data::TargetKind::classes;
    throw ConfigError(loss + (are_classes ? " learns numbers" : " learns classes") + ", but the labels of " +
                      dataset.name() + " are " + labels_of(dataset) + ": write loss = " +
                      (are_classes ? "\"cross_entropy\", or import the data with --target number"
                                   : "\"mse\", \"mae\" or another loss of numbers, or import the data with --target "
                                     "class"));
  }
  for (const data::TargetColumn& column : target.columns) {
    const bool is_probability = column.least >= 0 && column.greatest <= 1;
    const bool fits = output == nn::Output::Logit ? is_probability : output != nn::Output::LogRate || column.least >= 0;
    if (fits) continue;
    throw DataError(loss +
                    (output == nn::Output::Logit ? " expects labels from 0 to 1" : " expects counts, 0 or more") +
                    ", got " + shortest(column.least) + " to " + shortest(column.greatest) +
                    (column.name.empty() ? "" : " in \"" + printable(column.name) + "\"") + " of " + dataset.name() +
                    ": write another loss, such as \"mse\"");
  }
  if (target.kind == data::TargetKind::classes && target.classes < 2) {
    throw DataError("[data] expected at least two classes to tell apart, got " + std::to_string(target.classes) +
                    " in " + dataset.name());
  }
  check_settings(experiment, target);
}

// Names of metrics must be able to measure what the loss makes of the outputs.
void check_measured(const Experiment& experiment, nn::Output output) {
  for (const NameOr<nn::Metric>& metric : experiment.model.metrics) {
    if (metric.own() != nullptr || metric.is_missing()) continue;
    if (nn::measures(nn::find_metric(metric.name()), output)) continue;
    if (output == nn::Output::Input) {
      throw ConfigError("[model] metrics: \"" + metric.name() + "\" measures answers, and loss = \"" +
                        experiment.model.loss.name() + "\" has none: write metrics = []");
    }
    const std::vector<std::string> fit = nn::default_metrics(output);
    throw ConfigError("[model] metrics: \"" + metric.name() + "\" does not measure " +
                      (nn::target_kind(output) == data::TargetKind::classes ? "classes" : "the numbers of this loss") +
                      ": write metrics = [\"" + fit.front() + "\"]");
  }
}

// Numbers to predict need one output each: a loss would tell only in the first step.
void check_outputs(const Tensor& output, const data::Target& target) {
  if (target.kind == data::TargetKind::classes || output.shape() == Shape{2, target.outputs()}) return;
  throw ConfigError("[model] expected outputs (rows, " + std::to_string(target.outputs()) +
                    "), one for each number to predict, got " + output.shape().to_string() +
                    " for 2 rows: end with \"linear $outputs\"");
}

// Outputs and metrics on two rows of zeros. Whether the model can compute at all shows when it trains.
void check_answers(Trainer& trainer, const Experiment& experiment, const data::Dataset& dataset) {
  const data::Target& target = dataset.target();
  const std::vector<nn::Metric> metrics = own_metrics(experiment.model);
  const bool reads_label = output_of(experiment.model, target.kind) != nn::Output::Input;
  if (metrics.empty() && (!reads_label || target.kind == data::TargetKind::classes)) return;
  Shape rows = {2}, labels = {2};
  for (const std::int64_t size : dataset.feature_shape()) rows.push_back(size);
  const data::Column column = target.column();
  for (const std::int64_t size : column.shape) labels.push_back(size);
  const NoGradGuard no_grad;
  try {
    trainer.module().eval();
    const Tensor output = trainer.module()(kernels::zeros(rows, DType::f32));
    if (reads_label) check_outputs(output, target);
    for (const nn::Metric& metric : metrics) shape_of_sums(metric, output, kernels::zeros(labels, column.dtype));
  } catch (const ConfigError&) {
    throw;
  } catch (const Error&) {
    return;
  }
}

}  // namespace

void check_options(const RunOptions& options) {
  if (options.patience) {
    check_patience("[run] RunOptions::patience", std::chrono::duration<double>(*options.patience).count());
  }
  if (options.epochs && *options.epochs > kMostEpochs) {  // the journal would keep them, and no worker takes them
    throw ConfigError("[resume] epochs: expected at most " + std::to_string(kMostEpochs) + ", got " +
                      std::to_string(*options.epochs));
  }
  if (options.retry_models.empty() || options.retry) return;
  throw ConfigError("[resume] RunOptions::retry_models: expected retry = true where models are named, got false");
}

// The host that is meant by HOST:PORT; people write no scheme.
static std::string listening_host(const std::string& text) {
  try {
    return net::Address::parse("tls:" + text).host;
  } catch (const ConfigError&) {
    throw ConfigError("[run] listen: expected HOST:PORT, such as 0.0.0.0:7878 or [::1]:7878, got \"" + printable(text) +
                      "\"");
  }
}

static void check_listening_address(const std::string& text) {
  const std::string host = listening_host(text);
  const std::string numbers = host.substr(0, host.find('%'));  // of IPv6, what follows names an interface
  in6_addr address{};
  const bool is_known = host == "localhost" || ::inet_pton(AF_INET, numbers.c_str(), &address) == 1 ||
                        ::inet_pton(AF_INET6, numbers.c_str(), &address) == 1;
  if (is_known) return;
  throw ConfigError(
      "[run] listen: expected the numbers of an interface of this machine (0.0.0.0 for all of them), got " +
      printable(host));
}

// Before anything is prepared: a key that nobody can read would show after the import of the data.
static void check_listening(const Experiment& experiment, const RunOptions& options) {
  check_listening_address(options.listen);
  if (options.key_file.empty()) {
    throw ConfigError(
        "[run] whoever listens for other machines needs a key: `hop key new FILE` makes one, --key-file "
        "names it");
  }
  net::RunKey::read(options.key_file);
  if (!experiment.run.durable) {
    throw ConfigError("[run] expected durable = true for workers on other machines: their states must outlive them");
  }
}

void check_hosting(const Experiment& experiment, const RunOptions& options) {
  const bool are_threads = options.hosting == Hosting::Threads;
  const std::vector<std::string> words = device_words(are_threads ? options.devices : std::vector<std::string>(),
                                                      experiment.run.device, experiment.run.workers);
  const bool is_remote = options.hosting == Hosting::Remote;
  for (std::uint32_t w = 0; !is_remote && w < words.size(); ++w) {
    const Device device = resolve_device(words[w], WorkerId(w));
    if (synchronises_batchnorm(experiment) && !device.is_cpu())
      refuse_synchronised_on("[run] batchnorm", device.to_string());
  }
  if (are_threads) return;
  check_open_files(experiment.run.workers);
  if (is_remote) check_listening(experiment, options);
  if (!is_remote && options.program.empty())
    throw ConfigError("[run] worker processes need the path of the program hop");
  if (const char* what = own_code_of_workers(experiment)) {
    throw ConfigError(std::string("[run] a ") + what +
                      " that is the application's code cannot travel to worker processes; use threads");
  }
}

void check_same_experiment(const JournalHeader& header, const std::filesystem::path& run_directory) {
  if (header.experiment == xxh3_128(as_bytes(read_run_file(run_directory, "experiment.toml")))) return;
  throw ConfigError("[run] " + (run_directory / "experiment.toml").string() +
                    " was changed since the run began; put it back as it was: nothing else was touched");
}

void check_consistent(const Experiment& experiment, const JournalContents& journal,
                      const std::filesystem::path& run_directory) {
  const Restored restored = restore(experiment, experiment.data.partitions.value_or(1), journal);
  if (restored.contradiction.empty()) return;
  const std::string directory = run_directory.string();
  throw JournalError("[journal] " + restored.contradiction + "; `hop fsck " + directory +
                     "` shows what is sound, `hop fsck " + directory +
                     " --cut` keeps that and puts the rest into a file beside the journal");
}

DifferentLine first_different_line(std::string_view one, std::string_view other) {
  const auto same = std::ranges::mismatch(one, other).in1 - one.begin();
  const std::string_view before = one.substr(0, static_cast<std::size_t>(same));
  const std::size_t begin = before.rfind('\n') + 1;  // 0 where there is no line before
  const auto line_of = [&](std::string_view text) {
    const std::string_view rest = text.substr(begin);
    return std::string(rest.substr(0, rest.find('\n')));
  };
  return {static_cast<std::size_t>(std::ranges::count(before, '\n')) + 1, line_of(one), line_of(other)};
}

void check_text(const Experiment& experiment) {
  const std::string text = to_toml(experiment);
  const ModelBuilder none = [](const Config&, const ModelInput&) { return nullptr; };
  const std::string again = to_toml(parse_experiment(text, "the experiment as text", {}, none));
  if (again == text) return;
  const DifferentLine found = first_different_line(text, again);
  constexpr std::size_t kMost = 500;  // a line may list thousands of values
  throw ConfigError("[run] expected an experiment whose text gives it back, got another one: line " +
                    std::to_string(found.line) + " is \"" + printable(found.one, kMost) + "\" and reads back as \"" +
                    printable(found.other, kMost) + "\"");
}

std::vector<ModelConfig> first_models(const Experiment& experiment, const data::Dataset& dataset) {
  std::vector<ModelConfig> models;
  for (Config& config : first_configs(experiment, make_itinerary(experiment, dataset.partition_count()))) {
    models.push_back({ModelId{static_cast<std::uint32_t>(models.size())}, std::move(config)});
  }
  return models;
}

std::vector<ModelConfig> models_left(const Results& results) {
  std::vector<ModelConfig> models;
  for (const ModelResult& model : results.models) {
    if (model.state_sha256.empty()) models.push_back({model.id, model.config});
  }
  return models;
}

void check_models(const Experiment& experiment, const data::Dataset& dataset, std::span<const ModelConfig> models) {
  check_loss(experiment, dataset);
  check_measured(experiment, output_of(experiment.model, dataset.target().kind));
  check_objective(experiment, dataset);
  const std::shared_ptr<Exchange> exchange = strategy_of(experiment)->exchange();
  for (const auto& [id, config] : models) {
    Trainer trainer(experiment, id, config, dataset);
    trainer.set_exchange(exchange);
    check_last_batches(trainer.module(), experiment, config, dataset);
    if (id == models.front().id) check_answers(trainer, experiment, dataset);
  }
}

void check_new_run(const Experiment& experiment, const data::Dataset& dataset, std::span<const ModelConfig> models) {
  for (const ModelConfig& model : models) check_layer_names(experiment.model, model.config);
  if (output_of(experiment.model, dataset.target().kind) == nn::Output::Input) check_features(experiment, dataset);
}

}  // namespace hop::hopper
