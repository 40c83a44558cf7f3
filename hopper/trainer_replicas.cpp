// An epoch of replicas in one trainer. Each replica passes over a partition of its own; one after the other they
// compute, in each step (ShareGradients) or until the next average (ShareWeights). Every mean over replicas is a
// TreeMean, so the bits are a function of the experiment alone.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/hash.h"
#include "hopper/detail/pace.h"
#include "hopper/detail/rows_of_steps.h"
#include "hopper/strategy/tree_mean.h"
#include "hopper/trainer.h"
#include "kernels/copy.h"
#include "kernels/precision.h"

namespace hop::hopper {
namespace {

/// Values of tensors, to go back to.
class Snapshot {
 public:
  Snapshot() = default;
  explicit Snapshot(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {}
  void take() {
    for (std::size_t i = 0; i < values_.size(); ++i) kernels::copy_(values_[i], tensors_[i]);
    for (std::size_t i = values_.size(); i < tensors_.size(); ++i) values_.push_back(kernels::clone(tensors_[i]));
  }
  void bring_back() const {
    for (std::size_t i = 0; i < values_.size(); ++i) kernels::copy_(tensors_[i], values_[i]);
  }

 private:
  std::vector<Tensor> tensors_;
  std::vector<Tensor> values_;  // empty before the first take()
};

// An integer of 64 bits, which no floating scalar could carry.
void write_word(const Tensor& to, std::uint64_t value) {
  const Tensor word = Tensor::empty({}, DType::i64);
  word.data<std::int64_t>()[0] = static_cast<std::int64_t>(value);
  kernels::copy_(to, kernels::to_device(word, to.device()));
}

void append(std::vector<Tensor>& all, const std::vector<Tensor>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

class Trainer::Replicated {
 public:
  Replicated(Trainer& trainer, std::size_t replicas);
  std::size_t replicas() const { return lanes_.size(); }

  /// Begins the passes of an epoch.
  void start(std::span<const PartitionId> passes, const PartitionRows& rows, Epoch epoch);
  /// Trains the epoch and sets `rows`, `weight`, `train_loss` and `shared_bytes`.
  void train(UnitMetrics& metrics, std::stop_token stop, std::atomic<std::uint64_t>* rows_done);

 private:
  std::uint64_t usual_key() const;
  void write_keys();
  void share_gradients(UnitMetrics& metrics);
  void add_gradients(std::int64_t step);
  void share_weights(UnitMetrics& metrics);
  void add_weights(TreeMean& mean, std::int64_t begin, std::int64_t end, std::int64_t first);
  void train_alone(std::size_t replica, std::int64_t begin, std::int64_t end, std::int64_t first);
  void reset_optimizer(std::int64_t steps);
  bool is_lost() const;
  void next_batch(std::size_t replica, std::int64_t rows);

  Trainer& t_;
  std::vector<std::unique_ptr<data::Batches>> batches_;
  std::vector<Lane> lanes_;
  Tensor losses_;  // (replicas) f64: the sum of each one's losses over its rows
  RowsOfSteps rows_{1};
  std::stop_token stop_;
  std::atomic<std::uint64_t>* rows_done_ = nullptr;
  std::optional<Pace> pace_;

  // ShareGradients
  std::optional<TreeMean> gradients_;
  Snapshot before_step_, first_replica_;  // of the buffers

  // ShareWeights
  std::optional<TreeMean> weights_, weights_and_slots_;
  Snapshot start_;               // of all that training changes
  Snapshot integers_;            // of buffers that have no mean
  std::vector<Snapshot> slots_;  // of each replica; empty unless they are kept
  std::vector<Tensor> all_slots_;
};

Trainer::Replicated::Replicated(Trainer& trainer, std::size_t replicas) : t_(trainer) {
  const auto count = static_cast<std::int64_t>(replicas);
  losses_ = kernels::zeros({count}, DType::f64, t_.device());
  const std::int64_t rows = batch_rows(t_.experiment_, t_.config_, t_.dataset_);
  for (std::int64_t r = 0; r < count; ++r) {
    batches_.push_back(t_.make_batches(rows));
    lanes_.push_back({.batches = batches_.back().get(),
                      .key = kernels::zeros({}, DType::i64, t_.device()),
                      .loss = losses_.as_strided({}, {}, r)});
  }
  t_.keep_steps_of(replicas);

  std::vector<Tensor> parameters, floats, integers;
  for (const optim::ParameterSegment& segment : t_.optimizer_->segments()) {
    if (segment.frozen || !segment.parameter.requires_grad()) continue;
    parameters.push_back(segment.parameter);
    append(all_slots_, segment.slots);
  }
  for (const nn::NamedTensor& buffer : t_.module_->named_buffers()) {
    (is_floating(buffer.tensor.dtype()) ? floats : integers).push_back(buffer.tensor);
  }
  if (t_.replicas_ == Replicas::ShareGradients) {
    append(floats, integers);
    before_step_ = Snapshot(floats);
    first_replica_ = Snapshot(floats);
    gradients_.emplace(std::vector{t_.gradient_block()});
    return;
  }
  integers_ = Snapshot(integers);
  append(parameters, floats);
  weights_.emplace(parameters, DType::f64);
  append(parameters, all_slots_);
  weights_and_slots_.emplace(parameters, DType::f64);
  append(parameters, integers);
  parameters.push_back(t_.optimizer_->step_tensor());
  start_ = Snapshot(parameters);
  if (t_.experiment_.run.replicas.average_state == AverageState::Keep) slots_.assign(replicas, Snapshot(all_slots_));
}

void Trainer::Replicated::start(std::span<const PartitionId> passes, const PartitionRows& rows, Epoch epoch) {
  rows_ = RowsOfSteps(batch_rows(t_.experiment_, t_.config_, t_.dataset_));
  for (std::size_t r = 0; r < passes.size(); ++r) {
    const data::Partition partition = rows(passes[r]);
    const std::uint64_t key = hash64(t_.experiment_.seed, "order", {t_.model_.value, epoch.value, passes[r].value});
    batches_[r]->start(partition, key);
    rows_.add(partition, key);
  }
  write_keys();
  kernels::fill_(losses_, 0);
}

std::uint64_t Trainer::Replicated::usual_key() const {
  return hash64(t_.experiment_.seed, "random", {t_.model_.value});
}

// After a reset the optimizer counts from 0 again, and its count is a part of every random address: with the same keys,
// dropout would repeat its masks.
void Trainer::Replicated::write_keys() {
  const auto steps_before = static_cast<std::uint64_t>(t_.state_->counters().steps_before);
  for (std::size_t r = 0; r < lanes_.size(); ++r) {
    const bool is_usual = r == 0 && steps_before == 0;  // the key of a model without replicas
    write_word(lanes_[r].key,
               is_usual ? usual_key() : hash64(t_.experiment_.seed, "random", {t_.model_.value, r, steps_before}));
  }
}

void Trainer::Replicated::train(UnitMetrics& metrics, std::stop_token stop, std::atomic<std::uint64_t>* rows_done) {
  stop_ = std::move(stop);
  rows_done_ = rows_done;
  pace_.emplace(t_.device());
  t_.replicas_ == Replicas::ShareGradients ? share_gradients(metrics) : share_weights(metrics);
  write_word(t_.random_key(), usual_key());
  const Tensor losses = kernels::to_device(losses_, Device::cpu());
  double loss = 0;
  for (std::size_t r = 0; r < lanes_.size(); ++r) loss += losses.data<double>()[r];
  metrics.weight = rows_.weight();
  const double counted = metrics.weight.value_or(static_cast<double>(metrics.rows));
  metrics.train_loss = is_lost() ? std::numeric_limits<double>::infinity() : counted == 0 ? 0 : loss / counted;
}

bool Trainer::Replicated::is_lost() const {
  return kernels::to_device(t_.meter_, Device::cpu()).data<double>()[1] != 0;
}

void Trainer::Replicated::next_batch(std::size_t replica, std::int64_t rows) {
  if (stop_.stop_requested()) throw TrainingStopped("[train] stopped");
  t_.lane_ = lanes_[replica];
  lanes_[replica].batches->next();
  pace_->step();
  if (rows_done_ != nullptr) rows_done_->fetch_add(static_cast<std::uint64_t>(rows), std::memory_order_relaxed);
}

// ---- gradients

void Trainer::Replicated::share_gradients(UnitMetrics& metrics) {
  const std::int64_t first = t_.optimizer_->step_count();
  std::int64_t steps = rows_.steps();
  for (std::int64_t step = 0; step < steps; ++step) {
    t_.optimizer_->set_lr(t_.schedule_(first + step));
    add_gradients(step);
    const std::int64_t rows = rows_.of_all(step, step + 1);
    if (t_.exchange_) t_.exchange_->exchange(t_.gradient_block(), rows);
    t_.run_step(Part::Update, rows);
    if (t_.is_lost_on_host()) break;
  }
  if (is_lost()) steps = t_.optimizer_->step_count() - first + 1;  // the lost step was the first one not counted
  metrics.rows = static_cast<std::uint64_t>(rows_.of_all(0, steps));
  metrics.shared_bytes = gradients_->bytes() * static_cast<std::uint64_t>(steps);
}

// Leaves the mean of the step in the gradient block.
void Trainer::Replicated::add_gradients(std::int64_t step) {
  before_step_.take();
  gradients_->begin();
  bool is_first = true;
  for (std::size_t r = 0; r < lanes_.size(); ++r) {
    const std::int64_t rows = rows_.of(r, step, step + 1);
    if (rows == 0) {
      gradients_->skip();
      continue;
    }
    if (!is_first) before_step_.bring_back();
    next_batch(r, rows);
    t_.run_step(Part::Gradients, rows);
    static_cast<void>(t_.gradient_block());
    gradients_->add(rows_.share(r, step, step + 1));
    if (is_first) first_replica_.take();
    is_first = false;
  }
  first_replica_.bring_back();
  gradients_->finish();
}

// ---- weights

void Trainer::Replicated::share_weights(UnitMetrics& metrics) {
  const ReplicaOptions& options = t_.experiment_.run.replicas;
  const std::int64_t steps = rows_.steps();
  const std::int64_t every = options.average_every ? *options.average_every : std::max<std::int64_t>(steps, 1);
  std::uint64_t shared = 0;
  for (std::int64_t begin = 0; begin < steps; begin += every) {
    const std::int64_t end = std::min(begin + every, steps), counted = t_.optimizer_->step_count();
    const bool are_slots_averaged = options.average_state.value_or(AverageState::Average) == AverageState::Average ||
                                    (options.average_state == AverageState::Keep && end == steps);
    TreeMean& mean = are_slots_averaged ? *weights_and_slots_ : *weights_;
    start_.take();
    add_weights(mean, begin, end, t_.state_->counters().steps_before + counted - begin);
    if (is_lost()) {
      start_.bring_back();
      break;
    }
    mean.finish();
    integers_.bring_back();
    kernels::fill_(t_.optimizer_->step_tensor(), counted + end - begin);
    if (options.average_state == AverageState::Reset) reset_optimizer(counted + end - begin);
    metrics.rows += static_cast<std::uint64_t>(rows_.of_all(begin, end));
    shared += mean.bytes();
  }
  metrics.shared_bytes = shared;
}

// Trains each replica from the same start. `first`: step 0 of the epoch, as the schedule counts.
void Trainer::Replicated::add_weights(TreeMean& mean, std::int64_t begin, std::int64_t end, std::int64_t first) {
  mean.begin();
  bool is_first = true;
  for (std::size_t r = 0; r < lanes_.size() && !t_.is_lost_on_host(); ++r) {
    if (rows_.of(r, begin, end) == 0) {
      mean.skip();
      continue;
    }
    if (!is_first) start_.bring_back();
    if (!slots_.empty() && begin != 0) slots_[r].bring_back();
    train_alone(r, begin, end, first);
    mean.add(rows_.share(r, begin, end));
    if (!slots_.empty()) slots_[r].take();
    if (is_first) integers_.take();
    is_first = false;
  }
}

void Trainer::Replicated::train_alone(std::size_t replica, std::int64_t begin, std::int64_t end, std::int64_t first) {
  for (std::int64_t step = begin; step < end && !t_.is_lost_on_host(); ++step) {
    const std::int64_t rows = rows_.of(replica, step, step + 1);
    if (rows == 0) return;
    t_.optimizer_->set_lr(t_.schedule_(first + step));
    next_batch(replica, rows);
    t_.train_batch(rows);
  }
}

void Trainer::Replicated::reset_optimizer(std::int64_t steps) {
  for (const Tensor& slot : all_slots_) kernels::fill_(slot, 0);
  kernels::fill_(t_.optimizer_->step_tensor(), 0);
  t_.state_->counters().steps_before += steps;
  write_keys();
}

// ---- the trainer's part

UnitMetrics Trainer::train_replicas(std::span<const PartitionId> passes, const PartitionRows& rows, Epoch epoch,
                                    std::stop_token stop, std::atomic<std::uint64_t>* rows_done) {
  const Stopwatch watch;
  const kernels::PrecisionScope precision(kernels::precision_of(experiment_.run.precision));
  if (replicas_ == Replicas::None || passes.empty()) {
    throw StateError("[train] expected a strategy with replicas and a partition for each of them, got " +
                     std::to_string(passes.size()) + " partitions and strategy = \"" + experiment_.run.strategy.name() +
                     "\"; call train() for passes that follow each other");
  }
  if (!replicated_ || replicated_->replicas() != passes.size()) {
    replicated_ = std::make_shared<Replicated>(*this, passes.size());
  }
  UnitMetrics metrics;
  begin_passes();
  replicated_->start(passes, rows, epoch);
  replicated_->train(metrics, std::move(stop), rows_done);
  lane_ = {.batches = batches_.get()};
  end_passes(metrics, epoch, static_cast<std::int64_t>(passes.size()));
  metrics.seconds = watch.seconds();
  return metrics;
}

}  // namespace hop::hopper
