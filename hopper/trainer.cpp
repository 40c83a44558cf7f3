#include "hopper/trainer.h"

#include <algorithm>
#include <limits>

#include "autograd/elementwise.h"
#include "autograd/graph.h"
#include "base/clock.h"
#include "base/hash.h"
#include "hopper/build_model_internal.h"
#include "hopper/detail/metric_sums.h"
#include "hopper/detail/pace.h"
#include "hopper/detail/replica_module.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/optimizer.h"
#include "kernels/precision.h"
#include "kernels/reduce.h"
#include "nn/detail/replica_statistics.h"
#include "nn/init.h"

namespace hop::hopper {
namespace {

constexpr std::int64_t kValidationBatch = 256;

// Enough for the blocks that wait on a node, each with a whole and a short batch, in training and validation, and with
// an update of its own. On the CPU a recorded step takes some kilobytes; a device has one block.
constexpr std::size_t kRecordedSteps = 40;

// A cross-entropy this high means logits in the millions: the weights are lost, even if relu keeps the numbers finite.
// Numbers to predict may be large, so there only a loss that is no number is hopeless.
double hopeless_loss(nn::Output output) {
  return output == nn::Output::Scores ? 1e6 : std::numeric_limits<double>::infinity();
}

data::LoaderOptions loader_options(const Experiment& experiment, const data::Dataset& dataset, std::int64_t batch) {
  std::int64_t largest = dataset.validation_rows();
  for (const data::PartitionEntry& partition : dataset.manifest().partitions) {
    largest = std::max(largest, partition.rows);
  }
  return {.batch_size = std::min(batch, largest), .scale = scaling_of(experiment, dataset)};
}

// The gradient block as f32.
Tensor as_floats(const Tensor& block) {
  const auto bytes = static_cast<std::size_t>(block.numel());
  const Shape shape = {static_cast<std::int64_t>(bytes / sizeof(float))};
  Storage storage = Storage::borrow(block.raw_data(), bytes, std::make_shared<Tensor>(block), block.device());
  return Tensor::view(std::move(storage), DType::f32, shape, contiguous_strides(shape));
}

std::shared_ptr<nn::Module> build_on(Device device, const Experiment& experiment, const Config& config,
                                     const data::Dataset& dataset) {
  std::shared_ptr<nn::Module> module = build_module(experiment, config, dataset);
  module->to(device);
  return module;
}

}  // namespace

Trainer::Trainer(const Experiment& experiment, ModelId model, const Config& config, const data::Dataset& dataset,
                 Device device, std::shared_ptr<const data::DeviceRows> rows)
    : experiment_(experiment),
      dataset_(dataset),
      model_(model),
      config_(config),
      key_(architecture_key(experiment, model, config)),
      replicas_(replicas_of(experiment)),
      module_(build_on(device, experiment, config, dataset)),
      mixup_(make_mixup(experiment, dataset)),
      updates_(make_updates(experiment, config, *module_)),
      optimizer_(updates_.optimizer.get()),
      schedule_(make_schedule(experiment, config, dataset, optimizer_->lr())),
      limits_(gradient_limits(config)),
      accumulate_(accumulated_batches(experiment, config)),
      loss_(make_loss(experiment.model, device)),
      weighted_loss_(make_weighted_loss(experiment.model, dataset, device)),
      output_(output_of(experiment.model, dataset.target().kind)),
      scaling_(output_, dataset.target().columns, device),
      state_(std::make_unique<nn::StateBlock>(*module_, optimizer_)),
      rows_(std::move(rows)),
      batches_(make_batches(batch_rows(experiment, config, dataset))),
      validation_(make_batches(kValidationBatch)),
      lane_{.batches = batches_.get()},
      meter_(kernels::zeros({2}, DType::f64, device)),
      validation_meter_(kernels::zeros({2}, DType::f64, device)),
      correct_(kernels::zeros({}, dataset.has_weights() ? DType::f64 : DType::i64, device)),
      row_weight_(kernels::zeros({}, DType::f64, device)),
      measures_accuracy_(measures(experiment.model, "accuracy")),
      own_metrics_(own_metrics(experiment.model)),
      captures_(experiment.run.capture && (!experiment.model.builder || experiment.model.capture_builder)),
      steps_(accumulate_ == 1 ? kRecordedSteps : 2 * kRecordedSteps),  // first, other and short batches; updates
      first_lr_(optimizer_->lr()) {
  module_->set_random_source(state_->counters_tensor(), optimizer_->step_tensor());
  if (mixup_) mixup_->to(device);
  if (mixup_) mixup_->set_random_source(state_->counters_tensor(), optimizer_->step_tensor());
  optimizer_->stop_when(meter_.as_strided({}, {}, 1));
  unsupervised(*module_);  // refuses a module without
  if (replicas_ != Replicas::None) check_sharing();
  if (synchronises()) check_synchronised();
  if (replicas_ == Replicas::PushGradients) check_pushing();
}

std::unique_ptr<data::Batches> Trainer::make_batches(std::int64_t rows) const {
  return data::make_batches(loader_options(experiment_, dataset_, rows), device(), rows_);
}

void Trainer::keep_steps_of(std::size_t lanes) { steps_ = RecentlyUsed<Step>(kRecordedSteps * lanes); }

void Trainer::assign(ModelId model, const Config& config) {
  if (architecture_key(experiment_, model, config) != key_) {
    throw StateError("[train] expected a model of the architecture " + key_ + ", got " + config.to_text());
  }
  schedule_ = make_schedule(experiment_, config, dataset_, first_lr_);
  if (updates_.plateau) updates_.plateau->set_options(plateau_options(experiment_, config).value());
  model_ = model;
  config_ = config;
}

// What replicas share, and what an exchange gets, is one block of f32.
void Trainer::initialize() {
  const std::shared_ptr<nn::Module> module = build_module(experiment_, config_, dataset_);
  Updates updates = make_updates(experiment_, config_, *module);
  nn::StateBlock state(*module, updates.optimizer.get());
  module->set_random_key(0);
  check_last_batches(*module, experiment_, config_, dataset_);
  nn::init_parameters(*module, hash64(experiment_.seed, "init", {model_.value}));
  if (updates.average) updates.average->reset();
  state_->load(state.shared_bytes());
}

// Called between the two recordings of a step: gradients() clears bytes that stand for zeros.
Tensor Trainer::gradient_block() { return as_floats(optimizer_->gradients()); }

void Trainer::train_batch(std::int64_t rows) {
  if (!exchange_) return run_step(Part::Training, rows);
  run_step(Part::Gradients, rows);
  exchange_->exchange(gradient_block(), rows);
  run_step(Part::Update, rows);
}

nn::Unsupervised* Trainer::unsupervised(nn::Module& module) const {
  return nn::unsupervised(module, output_, experiment_.model.loss.name());
}

Tensor Trainer::loss_of(const Tensor& output, const data::Batch& batch) const {
  const Tensor target = scaling_.to_learn(batch.y);
  return batch.w.defined() ? weighted_loss_(output, target, batch.w) : loss_(output, target);
}

// A batch of rows with weights counts by their sum, which lies on the device.
void Trainer::measure_loss(const Tensor& loss, const data::Batch& batch, const Tensor& meter) const {
  const double rows = batch.w.defined() ? 0 : static_cast<double>(batch.rows());
  kernels::measure(loss, rows, hopeless_loss(output_), meter);
  if (!batch.w.defined()) return;
  const Tensor total = meter.as_strided({}, {}, 0), weight = kernels::sum(kernels::cast(batch.w, DType::f64));
  kernels::evaluate_into(total, kernels::rows::Add{}, total, kernels::mul(kernels::cast(loss, DType::f64), weight));
}

// As Metric says, the weights of the whole set add up to its rows.
Tensor Trainer::sums_of(const nn::Metric& metric, const Tensor& answers, const data::Batch& batch) const {
  if (!batch.w.defined()) return metric.sums(answers, batch.y);
  return metric.weighted_sums(answers, batch.y, kernels::mul(kernels::cast(batch.w, DType::f64), row_weight_));
}

Tensor Trainer::random_key() const { return state_->counters_tensor().as_strided({}, {}, 0); }
Tensor Trainer::loss_sum() const { return meter_.as_strided({}, {}, 0); }

// All values that change from step to step are read from tensors, so that these operations can be replayed. With
// synchronised BatchNorm layers other replicas compute in the middle of this one. So it has a copy of its lane, and
// nothing that the replicas share is read across a layer: loss_sum() is written and read around one operation, and
// random_key() by the trainer's module alone.
void Trainer::make_gradients(const data::Batch& batch) {
  const Lane lane = lane_;
  const bool is_replica = lane.key.defined();
  nn::Module& module = lane.own != nullptr ? lane.own->module() : *module_;
  std::optional<nn::Mixup>& mixup = lane.own != nullptr ? lane.own->mixup() : mixup_;
  std::optional<nn::detail::ReplicaStatistics> statistics;
  if (lane.talk != nullptr) statistics.emplace(lane.talk);
  if (is_replica && lane.own == nullptr) kernels::copy_(random_key(), lane.key);
  module.begin_step();
  if (piece_.number == 0) lane.own != nullptr ? module.zero_grad() : optimizer_->zero_grad();
  nn::Unsupervised* const own = unsupervised(module);
  const Tensor loss = own != nullptr ? own->loss(batch.x)
                      : mixup        ? mixed_loss(module, *mixup, batch)
                                     : loss_of(module(batch.x), batch);
  if (is_replica) kernels::copy_(loss_sum(), lane.loss);
  measure_loss(loss.detach(), batch, meter_);
  if (is_replica) kernels::copy_(lane.loss, loss_sum());
  const Tensor scaled = updates_.scaled(piece_.of == 1 ? loss : loss / static_cast<double>(piece_.of));
  backward(lane.share.defined() ? scaled * lane.share : scaled);
}

Tensor Trainer::mixed_loss(nn::Module& module, nn::Mixup& mixup, const data::Batch& batch) {
  mixup.begin_step();
  const nn::Mixed mixed = mixup.mix(batch.x, scaling_.to_learn(batch.y));
  return mixed.loss(loss_, module(mixed.x));
}

void Trainer::validation_step(const data::Batch& batch) {
  const NoGradGuard no_grad;
  module_->begin_step();  // fractional pooling draws here, too: the same for each batch, whoever validates
  nn::Unsupervised* const own = unsupervised(*module_);
  const Tensor output = (*module_)(batch.x);
  measure_loss(own != nullptr ? own->loss(batch.x) : loss_of(output, batch), batch, validation_meter_);
  const Tensor answers = scaling_.answers(output);
  if (measures_accuracy_) {
    static const nn::Metric accuracy = nn::metric_by_name("accuracy");
    kernels::evaluate_into(correct_, kernels::rows::Add{}, correct_, sums_of(accuracy, answers, batch));
  }
  for (std::size_t i = 0; i < own_sums_.size(); ++i) {
    kernels::evaluate_into(own_sums_[i], kernels::rows::Add{}, own_sums_[i], sums_of(own_metrics_[i], answers, batch));
  }
}

// A recorded step adds to tensors that exist before it. Only the metric knows their shape, so it computes once here.
void Trainer::make_own_sums(const data::Batch& batch) {
  const NoGradGuard no_grad;
  const Tensor answers = scaling_.answers((*module_)(batch.x));
  for (const nn::Metric& metric : own_metrics_) {
    own_sums_.push_back(kernels::zeros(shape_of_sums(metric, answers, batch.y), DType::f64, device()));
  }
}

void Trainer::read_own_metrics(std::int64_t rows, UnitMetrics& metrics) const {
  metrics.own.clear();
  for (std::size_t i = 0; i < own_sums_.size(); ++i) {
    const Tensor here = kernels::to_device(own_sums_[i], Device::cpu());
    const std::span<const double> sums(here.data<double>(), static_cast<std::size_t>(here.numel()));
    const nn::Metric& metric = own_metrics_[i];
    metrics.own.push_back(metric.finish ? metric.finish(sums, rows) : sums.front() / static_cast<double>(rows));
  }
}

void Trainer::compute(Part part) {
  if (part == Part::Validation) return validation_step(validation_->batch());
  if (part != Part::Update) make_gradients(lane_.batches->batch());
  if (part == Part::Gradients) return;
  updates_.clip(*module_, limits_);
  updates_.step();
}

// Batches keep their addresses. Blocks come and go, but few at a time, so a new block often has the address of an old
// one. The old block's recording then holds for it, because a recording binds only addresses. An update reads no batch.
void Trainer::run_step(Part part, std::int64_t rows, const Recording::OnGradient& on_gradient) {
  if (!captures_) return compute(part);
  StepKey key{part, state_->counters_tensor().raw_data(), nullptr, 0};
  if (part != Part::Update) {
    key.batch = (part == Part::Validation ? validation_.get() : lane_.batches)->place();
    key.rows = rows;
    key.adds = part == Part::Gradients && piece_.number != 0;
    key.pieces = part == Part::Gradients ? piece_.of : 1;
  }
  RecordedWork& work = step_of(key);
  if (work.replay(on_gradient) != nullptr) return;
  // On a device other than the CPU a step first runs once without a recording, so that libraries load their parts.
  if (!pool_) pool_ = std::make_shared<MemoryPool>(device());
  const bool is_own = part == Part::Gradients && lane_.own != nullptr;
  const std::shared_ptr<MemoryPool> pool = is_own ? lane_.own->pool() : pool_;
  const std::size_t before = work.recordings();
  work.run([&] { return compute(part), RecordedWork::Results(); },
           {.device = device(), .warm_up = device().is_cpu() ? 0 : 1, .pool = pool});
  recordings_ += work.recordings() - before;
}

RecordedWork& Trainer::step_of(const StepKey& key) {
  Step* const known = steps_.find([&](const Step& step) { return step.key == key; });
  return known != nullptr ? known->work : steps_.add({key, {}}).work;
}

// Of a lost step. On another device this read would wait.
bool Trainer::is_lost() const { return kernels::to_device(meter_, Device::cpu()).data<double>()[1] != 0; }
bool Trainer::is_lost_on_host() const { return device().is_cpu() && meter_.data<double>()[1] != 0; }

UnitMetrics Trainer::train(const data::Partition& partition, Epoch epoch, PartitionId id, std::stop_token stop,
                           std::atomic<std::uint64_t>* rows_done) {
  const Stopwatch watch;
  const kernels::PrecisionScope precision(kernels::precision_of(experiment_.run.precision));
  UnitMetrics metrics;
  begin_passes(epoch);
  const std::int64_t first_step = optimizer_->step_count();
  std::int64_t steps = first_step;
  Pace pace(device());
  batches_->start(partition, hash64(experiment_.seed, "order", {model_.value, epoch.value, id.value}));
  begin_pieces(partition);
  while (const std::int64_t rows = batches_->next()) {
    if (stop.stop_requested()) throw TrainingStopped("[train] stopped");
    if (piece_.number == 0) optimizer_->set_lr(rate_at(steps++));
    accumulate_ == 1 ? train_batch(rows) : train_piece(rows);
    pace.step();
    metrics.rows += static_cast<std::uint64_t>(rows);
    if (rows_done != nullptr) rows_done->fetch_add(static_cast<std::uint64_t>(rows), std::memory_order_relaxed);
    if (is_lost_on_host()) break;
  }
  end_pieces();
  metrics.weight = data::total_weight(partition);
  const Tensor meter = kernels::to_device(meter_, Device::cpu());
  const double loss = meter.data<double>()[0];
  const bool is_lost = meter.data<double>()[1] != 0;
  if (is_lost) {  // the lost step was the first one that the optimizer did not count
    const std::int64_t steps_until = optimizer_->step_count() - first_step + 1;
    metrics.rows = static_cast<std::uint64_t>(
        std::min(steps_until * accumulate_ * batch_rows(experiment_, config_, dataset_), partition.rows()));
  }
  const double counted = metrics.weight.value_or(static_cast<double>(metrics.rows));
  metrics.train_loss = is_lost ? std::numeric_limits<double>::infinity() : counted == 0 ? 0 : loss / counted;
  end_passes(metrics, epoch, 1);
  metrics.seconds = watch.seconds();
  return metrics;
}

void Trainer::validate(const data::Partition& rows, UnitMetrics& metrics, std::atomic<std::uint64_t>* steps) {
  const Stopwatch watch;
  const kernels::PrecisionScope precision(kernels::precision_of(experiment_.run.precision));
  state_->settle();
  module_->eval();
  std::optional<optim::WeightAverage::Scope> averaged;
  if (const optim::WeightAverage* average = updates_.answering()) averaged.emplace(*average);
  kernels::fill_(validation_meter_, 0);
  kernels::fill_(correct_, 0);
  for (const Tensor& sums : own_sums_) kernels::fill_(sums, 0);
  const std::optional<double> weight = data::total_weight(rows);
  if (weight) kernels::fill_(row_weight_, static_cast<double>(rows.rows()) / *weight);
  std::int64_t count = 0;
  Pace pace(device());
  validation_->start(rows, std::nullopt);
  if (own_sums_.size() < own_metrics_.size() && validation_->next() != 0) {
    make_own_sums(validation_->batch());  // on a device, batch() goes on to the next rows
    validation_->start(rows, std::nullopt);
  }
  while (const std::int64_t batch_rows = validation_->next()) {
    run_step(Part::Validation, batch_rows);
    pace.step();
    count += batch_rows;
    if (steps != nullptr) ++*steps;
  }
  const Tensor meter = kernels::to_device(validation_meter_, Device::cpu());
  metrics.valid_loss = meter.data<double>()[0] / weight.value_or(static_cast<double>(count));
  if (measures_accuracy_) {
    const double correct = weight ? correct_.item<double>() : static_cast<double>(correct_.item<std::int64_t>());
    metrics.valid_accuracy = correct / static_cast<double>(count);
  }
  read_own_metrics(count, metrics);
  metrics.seconds += watch.seconds();
}

}  // namespace hop::hopper
