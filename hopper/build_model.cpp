#include "hopper/build_model.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/words.h"
#include "hopper/build_model_internal.h"
#include "hopper/strategy/data_parallel.h"
#include "nn/families.h"
#include "nn/model.h"
#include "nn/optim/by_name.h"

namespace hop::hopper {
namespace {

constexpr std::int64_t kMostRows = std::int64_t{1} << 32;  // of a partition: a larger batch is all rows

// Names that training reads, beside the settings of the optimizers.
constexpr std::array<std::string_view, 7> kTrainingNames = {
    "accumulate", "batch_size", "clip_grad_norm", "clip_grad_value", "lr_factors", "no_decay", "optimizer"};

// The names of training that a layer may have as its $name, too: they are older than the rule that refuses it. A
// later name of training is not added here: a run of before, whose layer alone has it, would train to other bits.
constexpr std::string_view kSharedNames =
    " alpha anneal batch_size beta1 beta2 centered clip_grad_norm dampening decoupled_weight_decay "
    "div_factor end_factor eps eta_min final_div_factor gamma initial_accumulator_value lr lr_decay "
    "max_lr milestones mode momentum momentum_decay nesterov optimizer pct_start power rho schedule "
    "start_factor step_size step_size_down step_size_up t_0 t_max t_mult three_phase total_iters "
    "total_steps warmup weight_decay ";

// Names of the learning rate and its schedule: no recorded step depends on them.
std::set<std::string, std::less<>> schedule_names() {
  std::set<std::string, std::less<>> names = {"lr", "schedule", "schedule_by"};
  for (const optim::ScheduleRow& row : optim::schedules()) {
    for (const auto& [name, fallback] : row.settings) names.emplace(name);
  }
  return names;
}

// $name and ${name} in a layer's text.
void add_placeholders(const std::string& text, std::set<std::string, std::less<>>& names) {
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (std::size_t i = text.find('$'); i != std::string::npos; i = text.find('$', i + 1)) {
    std::size_t begin = i + 1;
    if (begin < text.size() && text[begin] == '{') ++begin;
    std::size_t end = begin;
    while (end < text.size() && is_word(text[end])) ++end;
    names.insert(text.substr(begin, end - begin));
  }
}

// The settings of the row that `config` chooses.
void add_settings(const auto& rows, const std::string& chosen, std::set<std::string, std::less<>>& names) {
  for (const auto& row : rows) {
    if (row.name != chosen) continue;
    for (const auto& [name, fallback] : row.settings) names.emplace(name);
  }
}

// Of names_read(), those that training reads from this configuration.
std::set<std::string, std::less<>> names_of_training(const ModelOptions& model, const Config& config) {
  std::set<std::string, std::less<>> names(kTrainingNames.begin(), kTrainingNames.end());
  names.insert({"lr", "schedule", "schedule_by"});
  const std::string& named = model.optimizer.name();
  if (model.optimizer.own() == nullptr)
    add_settings(optim::optimizers(), named.empty() ? config.text("optimizer", "sgd") : named, names);
  if (config.contains("schedule")) add_settings(optim::schedules(), config.text("schedule"), names);
  return names;
}

// Refuses a name that nothing reads: it is a typo. With `learning_rate`, training would silently use the default of
// `lr`.
void check_names(const ModelOptions& model, const Config& config) {
  if (model.builder || model.optimizer.own() != nullptr) return;  // the application's code reads the names it likes
  if (!model.family.empty()) nn::FamilyRegistry().find(model.family);  // first: an unknown one reads no names
  const std::vector<std::string> valid = names_read(model);
  for (const auto& [name, value] : config.entries()) {
    if (std::find(valid.begin(), valid.end(), name) != valid.end()) continue;
    throw ConfigError("[search.space] " + name + ": nothing reads this name" +
                      hint(name, std::span<const std::string>(valid)));
  }
}

}  // namespace

void check_layer_names(const ModelOptions& model, const Config& config) {
  std::set<std::string, std::less<>> in_layers;
  for (const std::string& layer : model.layers) add_placeholders(layer, in_layers);
  for (const std::string& name : names_of_training(model, config)) {
    const bool is_shared = kSharedNames.find(" " + name + " ") != std::string_view::npos;
    if (is_shared || !in_layers.contains(name) || !config.contains(name)) continue;
    throw ConfigError("[model] layers: expected another name than $" + name +
                      ", which training reads from the same hyperparameter; write $layer_" + name + ", and layer_" +
                      name + " in [search.space]");
  }
}

nn::ConfigText to_config_text(const Config& config) {
  nn::ConfigText text;
  for (const auto& [name, value] : config.entries()) {
    const auto* word = std::get_if<std::string>(&value);
    text.emplace(name, word != nullptr ? *word : to_text(value));
  }
  return text;
}

std::vector<std::string> names_in_layer(const std::string& layer) {
  std::set<std::string, std::less<>> names;
  add_placeholders(layer, names);
  return {names.begin(), names.end()};
}

std::vector<std::string> names_read(const ModelOptions& model) {
  std::set<std::string, std::less<>> names(kTrainingNames.begin(), kTrainingNames.end());
  names.merge(schedule_names());
  for (const optim::OptimizerRow& row : optim::optimizers()) {
    for (const auto& [name, fallback] : row.settings) names.emplace(name);
  }
  for (const nn::FamilyRow& row : nn::families()) {
    if (row.name != model.family) continue;
    for (const auto& [name, fallback] : row.settings) names.emplace(name);
  }
  for (const std::string& layer : model.layers) add_placeholders(layer, names);
  for (const char* name : {"classes", "outputs"})
    names.erase(std::string(name));  // of the data, not of the configuration
  return {names.begin(), names.end()};
}

std::shared_ptr<nn::Module> build_module(const Experiment& experiment, const Config& config,
                                         const data::Dataset& dataset) {
  check_names(experiment.model, config);
  const data::Input input = dataset.input();
  const std::int64_t outputs = dataset.target().outputs();
  if (experiment.model.builder) {
    std::shared_ptr<nn::Module> module = experiment.model.builder(config, {input.shape, outputs, input.words});
    if (module == nullptr)
      throw ConfigError("[model] expected a module from the builder, got none (" + config.to_text() + ")");
    return module;
  }
  return nn::build_model(describe_model(experiment.model, config), input, outputs);
}

nn::ModelDescription describe_model(const ModelOptions& model, const Config& config) {
  if (model.builder) return {};
  return {model.family, model.layers, to_config_text(config)};
}

nn::Loss make_loss(const ModelOptions& model, Device device) {
  if (model.loss.is_missing()) refuse_missing("[model] loss");
  if (model.loss.own() == nullptr) return nn::loss_by_name(model.loss.name(), device);
  return [loss = *model.loss.own()](const Tensor& output, const Tensor& target) {
    Tensor value = loss(output, target);
    if (value.dim() == 0) return value;
    throw ShapeError("[model] loss: expected a mean loss (), got " + value.shape().to_string());
  };
}

std::optional<nn::Mixup> make_mixup(const Experiment& experiment, const data::Dataset& dataset) {
  if (experiment.model.mixup == 0) return std::nullopt;
  if (output_of(experiment.model, dataset.target().kind) == nn::Output::Input) {
    throw ConfigError("[model] mixup: expected 0 with loss = \"" + experiment.model.loss.name() +
                      "\", which has no label to mix; leave mixup out");
  }
  const bool has_words = !dataset.input().words.empty();
  const DType stored = dataset.feature_dtype();
  if (has_words || (!is_floating(stored) && stored != DType::u8)) {
    throw ConfigError("[model] mixup: expected images or numbers, got " +
                      (has_words ? "rows with categories as indices" : std::string(name(stored)) + " features") +
                      ": a mixture of two indices is another index; leave mixup out" +
                      (has_words ? ", or write categories = \"one_hot\"" : ", or write numbers as floats"));
  }
  if (dataset.has_weights()) {
    throw ConfigError(
        "[model] mixup: expected rows without weights, got some with: a mixture of two rows would need a weight of its "
        "own; leave mixup out, or import the column of the weights with the word \"drop\"");
  }
  return nn::Mixup(experiment.model.mixup);
}

nn::WeightedLoss make_weighted_loss(const ModelOptions& model, const data::Dataset& dataset, Device device) {
  if (!dataset.has_weights()) return {};
  if (output_of(model, dataset.target().kind) == nn::Output::Input) {
    throw ConfigError("[model] loss: expected rows without weights for \"" + model.loss.name() +
                      "\", got some with; import the column of the weights of " + dataset.name() +
                      " with the word \"drop\"");
  }
  if (model.loss.own() != nullptr) {
    throw ConfigError(
        "[model] loss: expected a loss by its name for rows with weights, got one of the application, "
        "which gives a mean and not the loss of each row: write loss = \"cross_entropy\" or another name, "
        "or import the column of the weights of " +
        dataset.name() + " with the word \"drop\"");
  }
  for (const nn::Metric& metric : own_metrics(model)) {
    if (metric.weighted_sums) continue;
    throw ConfigError("[model] metrics: expected metrics with `weighted_sums` for rows with weights, got \"" +
                      metric.name + "\" without");
  }
  return nn::weighted_loss_by_name(model.loss.name(), device);
}

nn::Output output_of(const ModelOptions& model, data::TargetKind labels) {
  const bool is_own = model.loss.own() != nullptr || model.loss.is_missing();
  if (!is_own) return nn::find_loss(model.loss.name()).output;
  return labels == data::TargetKind::classes ? nn::Output::Scores : nn::Output::Plain;
}

data::DataOptions data_options(const Experiment& experiment) {
  data::DataOptions options = experiment.data;
  const bool is_own = experiment.model.loss.own() != nullptr || experiment.model.loss.is_missing();
  if (options.target || is_own) return options;
  const nn::Output output = nn::find_loss(experiment.model.loss.name()).output;
  if (output != nn::Output::Input) options.wanted = nn::target_kind(output);
  return options;
}

std::vector<nn::Metric> own_metrics(const ModelOptions& model) {
  std::vector<nn::Metric> metrics;
  for (const NameOr<nn::Metric>& metric : model.metrics) {
    if (metric.is_missing()) refuse_missing("[model] metrics");
    if (!is_accuracy(metric))
      metrics.push_back(metric.own() != nullptr ? *metric.own() : nn::metric_by_name(metric.name()));
  }
  return metrics;
}

bool measures(const ModelOptions& model, std::string_view name) {
  return std::ranges::any_of(model.metrics, [&](const NameOr<nn::Metric>& metric) { return metric.name() == name; });
}

Replicas replicas_of(const Experiment& experiment) {
  const NameOr<StrategyMaker>& strategy = experiment.run.strategy;
  return strategy.is_missing() ? Replicas::None : strategy_of(experiment)->replicas();
}

// Of our strategies they do not depend on the workers.
std::int64_t passes_of_a_unit(const Experiment& experiment, const data::Dataset& dataset) {
  const auto passes = strategy_of(experiment)->passes({dataset.partition_count(), 1}, PartitionId(0));
  return static_cast<std::int64_t>(passes.size());
}

std::uint32_t passes_of_an_epoch(const Experiment& experiment) {
  if (is_auto(experiment.run.strategy)) return 1;
  return replicas_of(experiment) == Replicas::ShareWeights ? experiment.run.replicas.average_passes.value_or(1) : 1;
}

bool synchronises_batchnorm(const Experiment& experiment) {
  const BatchNormStatistics statistics = experiment.run.replicas.batchnorm.value_or(BatchNormStatistics::Replica);
  if (statistics == BatchNormStatistics::Replica || is_auto(experiment.run.strategy)) return false;
  return replicas_of(experiment) == Replicas::ShareGradients;
}

void refuse_synchronised_on(const std::string& where, const std::string& device) {
  throw ConfigError(
      where + ": expected device = \"cpu\" with \"synchronised\", whose replicas meet in the middle of a step, got " +
      device + "; write device = \"cpu\", or batchnorm = \"replica\"");
}

std::uint32_t staleness_of(const Experiment& experiment) {
  const auto strategy = strategy_of(experiment);
  const auto* replicated = dynamic_cast<const DataParallel*>(strategy.get());
  const bool has_late_ones =
      replicated != nullptr && replicated->wire() == Wire::Server && replicated->replicas() == Replicas::ShareGradients;
  return has_late_ones ? experiment.run.replicas.staleness.value_or(0) : 0;
}

std::optional<std::uint32_t> bound_of(const Experiment& experiment) { return experiment.run.replicas.staleness; }

data::Scaling scaling_of(const Experiment& experiment, const data::Dataset& dataset) {
  if (!experiment.data.scale) return dataset.scale();
  return data::scale_all(*experiment.data.scale, dataset.manifest().table);
}

std::int64_t batch_size(const Config& config) {
  const std::int64_t size = config.integer("batch_size", 32);
  if (size < 1) throw ConfigError("[search.space] batch_size: expected at least 1, got " + std::to_string(size));
  return std::min(size, kMostRows);
}

std::int64_t batch_rows(const Experiment& experiment, const Config& config, const data::Dataset& dataset) {
  const std::int64_t size = batch_size(config);
  const bool is_global = experiment.run.replicas.batch.value_or(BatchRows::PerReplica) == BatchRows::Global;
  if (!is_global || replicas_of(experiment) == Replicas::None) return size;
  const std::int64_t replicas = passes_of_a_unit(experiment, dataset);
  if (size % replicas == 0) return size / replicas;
  throw ConfigError("[search.space] batch_size: expected a multiple of the " + std::to_string(replicas) +
                    " replicas of a unit with [run] batch = \"global\", got " + std::to_string(size));
}

std::int64_t steps_per_epoch(const Experiment& experiment, const Config& config, const data::Dataset& dataset) {
  const std::int64_t batch = batch_rows(experiment, config, dataset);
  const std::int64_t pieces = accumulated_batches(experiment, config);
  // Replicas that share pass side by side.
  const Replicas replicas = replicas_of(experiment);
  const bool share = replicas == Replicas::ShareGradients || replicas == Replicas::ShareWeights;
  const auto side_by_side = share ? static_cast<std::size_t>(passes_of_a_unit(experiment, dataset)) : 1;
  const std::vector<data::PartitionEntry>& partitions = dataset.manifest().partitions;
  std::int64_t all = 0;
  for (std::size_t first = 0; first < partitions.size(); first += side_by_side) {
    std::int64_t most = 0;
    for (std::size_t i = first; i < std::min(first + side_by_side, partitions.size()); ++i) {
      most = std::max(most, ((partitions[i].rows - 1) / batch) / pieces + 1);
    }
    all += most;
  }
  return all * passes_of_an_epoch(experiment);
}

std::string architecture_key(const Experiment& experiment, ModelId model, const Config& config) {
  if (experiment.model.builder) return std::to_string(model.value);
  std::set<std::string, std::less<>> in_layers;
  for (const std::string& layer : experiment.model.layers) add_placeholders(layer, in_layers);
  const std::set<std::string, std::less<>> of_schedule = schedule_names();
  Config kept;
  for (const auto& [name, value] : config.entries()) {
    if (!of_schedule.contains(name) || experiment.model.optimizer.own() != nullptr || in_layers.contains(name))
      kept.set(name, value);
  }
  return kept.to_text() + (config.contains("lr") ? "" : " (the optimizer's own lr)") +
         (has_plateau(config) ? " (a plateau in the state)" : "");
}

}  // namespace hop::hopper
