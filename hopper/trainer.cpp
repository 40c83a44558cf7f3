#include "hopper/trainer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "autograd/graph.h"
#include "autograd/loss.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "hopper/nearest.h"
#include "kernels/copy.h"
#include "kernels/optimizer.h"
#include "kernels/reduce.h"
#include "nn/init.h"
#include "nn/loss.h"
#include "nn/model.h"
#include "nn/optim/by_name.h"

namespace hop::hopper {
namespace {

constexpr std::int64_t kValidationBatch = 256;
constexpr std::size_t kRecordedSteps = 8;  // for the blocks that wait on a node, with a whole and a short batch each

// A cross-entropy this high means logits in the millions: the weights are lost, even where relu keeps the numbers
// finite.
constexpr double kHopelessLoss = 1e6;

// What the trainer and the optimizers read from a configuration.
constexpr std::array<std::string_view, 16> kTrainingNames = {
    "lr",    "batch_size", "optimizer", "weight_decay", "momentum", "dampening", "nesterov", "beta1",
    "beta2", "eps",        "schedule",  "step_size",    "gamma",    "t_max",     "eta_min",  "warmup"};
constexpr std::array<std::string_view, 4> kMlpNames = {"hidden", "depth", "dropout", "activation"};

// $name and ${name} in a layer's text.
void add_placeholders(const std::string& text, std::set<std::string>& names) {
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (std::size_t i = text.find('$'); i != std::string::npos; i = text.find('$', i + 1)) {
    std::size_t begin = i + 1;
    if (begin < text.size() && text[begin] == '{') ++begin;
    std::size_t end = begin;
    while (end < text.size() && is_word(text[end])) ++end;
    names.insert(text.substr(begin, end - begin));
  }
}

// A name that nothing reads is a typo: `learning_rate` would silently train with the default.
void check_names(const ModelOptions& model, const Config& config) {
  if (model.builder) return;
  std::set<std::string> names(kTrainingNames.begin(), kTrainingNames.end());
  if (model.family == "mlp") names.insert(kMlpNames.begin(), kMlpNames.end());
  for (const std::string& layer : model.layers) add_placeholders(layer, names);
  for (const auto& [name, value] : config.entries()) {
    if (names.contains(name)) continue;
    const std::vector<std::string> valid(names.begin(), names.end());
    throw ConfigError("[search.space] " + name + ": nothing reads this name; did you mean \"" + nearest(name, valid) +
                      "\"?");
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

std::int64_t batch_size(const Config& config) {
  const std::int64_t size = config.integer("batch_size", 32);
  if (size < 1) throw ConfigError("[search.space] batch_size: expected at least 1, got " + std::to_string(size));
  return size;
}

data::LoaderOptions loader_options(const Experiment& experiment, const data::Dataset& dataset, std::int64_t batch) {
  return {.batch_size = batch, .scale = experiment.data.scale.value_or(dataset.scale())};
}

std::int64_t steps_per_epoch(const data::Dataset& dataset, std::int64_t batch) {
  std::int64_t steps = 0;
  for (const data::PartitionEntry& partition : dataset.manifest().partitions)
    steps += (partition.rows + batch - 1) / batch;
  return steps;
}

}  // namespace

std::shared_ptr<nn::Module> build_module(const Experiment& experiment, const Config& config,
                                         const data::Dataset& dataset) {
  check_names(experiment.model, config);
  const ModelInput input{dataset.feature_shape(), dataset.classes()};
  if (experiment.model.builder) return experiment.model.builder(config, input);
  const nn::ModelDescription description{experiment.model.family, experiment.model.layers, to_config_text(config)};
  return nn::build_model(description, input.sample, input.classes);
}

std::unique_ptr<optim::Optimizer> make_optimizer(const Config& config, const nn::Module& module) {
  return optim::make_optimizer(to_config_text(config), module.named_parameters());
}

Trainer::Trainer(const Experiment& experiment, ModelId model, const Config& config, const data::Dataset& dataset)
    : experiment_(experiment),
      model_(model),
      module_(build_module(experiment, config, dataset)),
      optimizer_(make_optimizer(config, *module_)),
      schedule_(optim::make_lr_schedule(to_config_text(config),
                                        steps_per_epoch(dataset, batch_size(config)) * experiment.search.epochs)),
      loss_(nn::loss_by_name(experiment.model.loss)),
      state_(std::make_unique<nn::StateBlock>(*module_, optimizer_.get())),
      loader_(loader_options(experiment, dataset, batch_size(config))),
      validation_loader_(loader_options(experiment, dataset, kValidationBatch)),
      meter_(kernels::zeros({2}, DType::f64)),
      captures_(experiment.run.capture && (!experiment.model.builder || experiment.model.capture_builder)) {
  module_->set_random_source(state_->counters_tensor(), optimizer_->step_tensor());
  optimizer_->stop_when(meter_.as_strided({}, {}, 1));
}

void Trainer::initialize() {
  if (state_->counters().unit != 0) throw StateError("[train] only a fresh trainer can begin a model");
  nn::init_parameters(*module_, hash64(experiment_.seed, "init", {model_.value}));
  state_->counters().random_key = hash64(experiment_.seed, "random", {model_.value});
}

// Everything that changes from step to step is read from tensors, so that these operations can be replayed.
void Trainer::step(const data::Batch& batch) {
  module_->begin_step();
  optimizer_->zero_grad();
  const Tensor loss = loss_((*module_)(batch.x), batch.y);
  kernels::measure(loss.detach(), static_cast<double>(batch.rows()), kHopelessLoss, meter_);
  backward(loss);
  optimizer_->step();
}

// The loader keeps the batch where it is; blocks come and go, but few at a time, and a new one may lie where an old one
// lay: then its plan holds, which binds addresses only.
void Trainer::run_step(const data::Batch& batch) {
  if (!captures_) return step(batch);
  const std::byte* block = state_->bytes().data();
  for (const RecordedStep& recorded : recorded_) {
    if (recorded.block == block && recorded.rows == batch.rows()) return recorded.plan.replay();
  }
  if (recorded_.size() >= kRecordedSteps) recorded_.erase(recorded_.begin());
  if (!pool_) pool_ = std::make_shared<MemoryPool>(Device::cpu());
  recorded_.push_back({block, batch.rows(), capture([&] { step(batch); }, Device::cpu(), pool_)});
}

UnitMetrics Trainer::train(const data::Partition& partition, std::uint32_t epoch, PartitionId id, std::stop_token stop,
                           std::atomic<std::uint64_t>* rows_done) {
  const Stopwatch watch;
  UnitMetrics metrics;
  nn::Counters& counters = state_->counters();
  module_->train();
  kernels::fill_(meter_, 0);
  const double* meter = meter_.data<double>();
  std::int64_t steps = optimizer_->step_count();
  loader_.start(partition, hash64(experiment_.seed, "order", {model_.value, epoch, id.value}));
  while (const std::optional<data::Batch> batch = loader_.next()) {
    if (stop.stop_requested()) throw TrainingStopped("[train] stopped");
    optimizer_->set_lr(schedule_(steps++));
    run_step(*batch);
    metrics.rows += static_cast<std::uint64_t>(batch->rows());
    if (rows_done != nullptr) rows_done->store(metrics.rows, std::memory_order_relaxed);
    if (meter[1] != 0) break;
  }
  metrics.train_loss =
      meter[1] != 0 ? std::numeric_limits<double>::infinity() : meter[0] / static_cast<double>(metrics.rows);
  counters.rows += static_cast<std::int64_t>(metrics.rows);
  counters.unit += 1;
  counters.epoch = epoch;
  metrics.seconds = watch.seconds();
  metrics.state_bytes = state_->layout().bytes;
  return metrics;
}

void Trainer::validate(const data::Partition& rows, UnitMetrics& metrics) {
  const Stopwatch watch;
  const NoGradGuard no_grad;
  module_->eval();
  validation_loader_.start(rows);
  double loss = 0;
  std::int64_t correct = 0, count = 0;
  while (const std::optional<data::Batch> batch = validation_loader_.next()) {
    const Tensor output = (*module_)(batch->x);
    loss += loss_(output, batch->y).item<double>() * static_cast<double>(batch->rows());
    const Tensor prediction = kernels::argmax(output, -1);
    const auto* predicted = prediction.data<std::int64_t>();
    const auto* label = batch->y.data<std::int64_t>();
    for (std::int64_t i = 0; i < batch->rows(); ++i) correct += predicted[i] == label[i] ? 1 : 0;
    count += batch->rows();
  }
  metrics.valid_loss = loss / static_cast<double>(count);
  metrics.valid_accuracy = static_cast<double>(correct) / static_cast<double>(count);
  metrics.seconds += watch.seconds();
}

}  // namespace hop::hopper
