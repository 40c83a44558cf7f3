// An epoch of replicas in one trainer. Each replica passes over a partition of its own; one after the other they
// compute, in each step (ShareGradients) or until the next average (ShareWeights). Every mean over replicas is a
// ReplicaMean, so the bits are a function of the experiment alone. trainer_async.cpp has PushGradients. Long because
// the two ways to share have most of their state in common.
#include "hopper/trainer_replicas_internal.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/hash.h"
#include "hopper/detail/group_talk.h"
#include "hopper/detail/step_talk.h"
#include "kernels/copy.h"
#include "kernels/precision.h"
#include "kernels/threads.h"

namespace hop::hopper {
namespace {

void append(std::vector<Tensor>& all, const std::vector<Tensor>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

Trainer::Replicated::Replicated(Trainer& trainer, std::size_t replicas, const Group& group)
    : t_(trainer),
      group_(group),
      is_member_(group.wire != nullptr),
      rank_(group.wire != nullptr ? group.wire->rank() : 0),
      passes_(passes_of_an_epoch(trainer.experiment_)) {
  if (passes_ > 1 && trainer.experiment_.run.replicas.average_every) {
    throw StateError("[train] expected average_every or average_passes, got both; leave one of them empty");
  }
  const auto count = static_cast<std::int64_t>(replicas);
  losses_ = kernels::zeros({count}, DType::f64, t_.device());
  const std::int64_t rows = batch_rows(t_.experiment_, t_.config_, t_.dataset_);
  lanes_.resize(replicas);
  for (std::int64_t r = 0; r < count; ++r) {
    if (!group.owns(static_cast<std::size_t>(r))) continue;
    batches_.push_back(t_.make_batches(rows));
    lanes_[static_cast<std::size_t>(r)] = {.batches = batches_.back().get(),
                                           .key = kernels::zeros({}, DType::i64, t_.device()),
                                           .loss = losses_.as_strided({}, {}, r)};
  }
  t_.keep_steps_of(batches_.size());
  if (replicas > 1 && t_.synchronises()) synchronise();

  std::vector<Tensor> parameters, floats, integers;
  for (const optim::ParameterSegment& segment : t_.optimizer_->segments()) {
    if (segment.frozen || !segment.parameter.requires_grad()) continue;
    parameters.push_back(segment.parameter);
    append(all_slots_, segment.slots);
  }
  for (const nn::NamedTensor& buffer : t_.module_->named_buffers()) {
    (is_floating(buffer.tensor.dtype()) ? floats : integers).push_back(buffer.tensor);
  }
  if (t_.replicas_ == Replicas::PushGradients) {
    append(floats, integers);
    async_ = make_async(parameters, floats);
    return;
  }
  if (t_.replicas_ == Replicas::ShareGradients) {
    append(floats, integers);
    before_step_ = Snapshot(floats);
    gradients_.emplace(std::vector{t_.gradient_block()}, floats, DType::f32);
    if (const std::uint32_t steps = staleness_of(t_.experiment_); steps > 0) late_.emplace(steps);
    return;
  }
  // What an optimizer carries besides slots, such as moving averages of the weights, goes the way of buffers. A scale
  // of gradients is that of the first replica, as integers are: a mean would be no power of two, which scales exactly.
  const optim::GradScaler* const scaler = t_.updates_.scaler.get();
  for (const nn::NamedTensor& carried : t_.optimizer_->carried()) {
    const bool is_scale = scaler != nullptr && carried.tensor.is_same(scaler->scale_tensor());
    (is_floating(carried.tensor.dtype()) && !is_scale ? floats : integers).push_back(carried.tensor);
  }
  append(parameters, floats);
  weights_.emplace(parameters, integers, DType::f64);
  append(parameters, all_slots_);
  weights_and_slots_.emplace(parameters, integers, DType::f64);
  append(parameters, integers);
  parameters.push_back(t_.optimizer_->step_tensor());
  start_ = Snapshot(parameters);
  if (t_.experiment_.run.replicas.average_state == AverageState::Keep) slots_.assign(replicas, Snapshot(all_slots_));
}

// The first own replica computes with the trainer's module.
void Trainer::Replicated::synchronise() {
  for (std::size_t r = 0; r < lanes_.size(); ++r) {
    if (group_.owns(r)) own_.push_back(r);
  }
  lockstep_.emplace(own_.size());
  for (std::size_t i = 0; i < own_.size(); ++i) {
    Lane& lane = lanes_[own_[i]];
    lane.talk = lockstep_->talk(i);
    lane.share = kernels::zeros({});
    if (i == 0) continue;
    modules_.push_back(std::make_unique<ReplicaModule>(build_module(t_.experiment_, t_.config_, t_.dataset_),
                                                       make_mixup(t_.experiment_, t_.dataset_), *t_.module_, lane.key,
                                                       t_.optimizer_->step_tensor()));
    lane.own = modules_.back().get();
  }
}

void Trainer::Replicated::join(const Group& group) {
  group_ = group;
  if (!group_.owners.empty()) {
    if (gradients_) gradients_->join(group_, lockstep_ ? std::vector<GradientPlace>() : gradient_places());
    for (std::optional<ReplicaMean>* mean : {&weights_, &weights_and_slots_}) {
      if (*mean) (*mean)->join(group_);
    }
  }
  for (const auto& module : modules_) module->enter();
}

std::vector<GradientPlace> Trainer::Replicated::gradient_places() const {
  std::vector<GradientPlace> places;
  for (const optim::ParameterSegment& segment : t_.optimizer_->segments()) {
    places.push_back({segment.parameter.id(), segment.gradient_offset / sizeof(float)});
  }
  return places;
}

void Trainer::Replicated::leave() {
  for (const auto& module : modules_) module->leave();
  begin_pass_ = {};
  if (!gradients_) return;
  t_.early_exchanges_ += gradients_->early();
  gradients_->leave();
}

// Without average_passes the pass is the epoch.
std::uint64_t Trainer::Replicated::order_of(Epoch epoch, std::uint32_t pass, PartitionId partition) const {
  const std::uint64_t number = std::uint64_t{epoch.value} * passes_ + pass;
  return hash64(t_.experiment_.seed, "order", {t_.model_.value, number, partition.value});
}

void Trainer::Replicated::start(std::span<const PartitionId> passes, const PartitionRows& rows, Epoch epoch) {
  const RowsOfSteps none(batch_rows(t_.experiment_, t_.config_, t_.dataset_));
  rows_ = none;
  RowsOfSteps own = none;  // of a group: the own replicas
  for (std::size_t r = 0; r < passes.size(); ++r) {
    if (!group_.owns(r)) continue;
    const data::Partition partition = rows(passes[r]);
    const std::uint64_t key = order_of(epoch, 0, passes[r]);
    lanes_[r].batches->start(partition, key);
    own.add(partition, key);
  }
  begin_pass_ = [=, this](std::size_t replica, std::uint32_t pass) {
    const PartitionId partition = passes[replica];
    lanes_[replica].batches->start(rows(partition), order_of(epoch, pass, partition));
  };
  if (!has_group()) {
    rows_ = std::move(own);
  } else {
    std::vector<std::vector<double>> sums;
    for (std::size_t i = 0; i < batches_.size(); ++i) sums.push_back(own.sums_of(i));
    learn_rows(passes, sums);
  }
  write_keys();
  if (late_) late_->clear();  // an epoch that was broken off may have left some
  kernels::fill_(losses_, 0);
}

// ---- a group: what the members tell each other besides gradients

// Every member knows the rows of all partitions. The weights of rows are known where the rows lie.
void Trainer::Replicated::learn_rows(std::span<const PartitionId> passes,
                                     const std::vector<std::vector<double>>& sums) {
  std::vector<std::int64_t> rows;
  std::vector<std::size_t> counts;
  for (const PartitionId id : passes) {
    rows.push_back(static_cast<std::int64_t>(t_.dataset_.manifest().partitions[id.index()].rows));
    counts.push_back(t_.dataset_.has_weights() ? rows_.count_of_sums(rows.back()) : 0);
  }
  std::vector<std::vector<double>> all(passes.size());
  if (t_.dataset_.has_weights()) all = swap_numbers(group_, sums, counts);
  for (std::size_t r = 0; r < passes.size(); ++r) rows_.add(rows[r], std::move(all[r]));
}

void Trainer::Replicated::share_losses() {
  const Tensor here = kernels::clone(kernels::to_device(losses_, Device::cpu()));
  auto* losses = here.data<double>();
  std::vector<std::vector<double>> own;
  for (std::size_t r = 0; r < lanes_.size(); ++r) {
    if (group_.owns(r)) own.push_back({losses[r]});
  }
  const auto all = swap_numbers(group_, own, std::vector<std::size_t>(lanes_.size(), 1));
  for (std::size_t r = 0; r < lanes_.size(); ++r) losses[r] = all[r].front();
  kernels::copy_(losses_, kernels::to_device(here, t_.device()));
}

// After a reset the optimizer counts from 0 again, and its count is a part of every random address: with the same keys,
// dropout would repeat its masks.
void Trainer::Replicated::write_keys() {
  const auto steps_before = static_cast<std::uint64_t>(t_.state_->counters().steps_before);
  for (std::size_t r = 0; r < lanes_.size(); ++r) {
    if (!group_.owns(r)) continue;
    const bool is_usual = r == 0 && steps_before == 0;  // the key of a model without replicas
    Trainer::write_word(lanes_[r].key, is_usual
                                           ? t_.usual_key()
                                           : hash64(t_.experiment_.seed, "random", {t_.model_.value, r, steps_before}));
  }
}

void Trainer::Replicated::train(UnitMetrics& metrics, std::stop_token stop, std::atomic<std::uint64_t>* rows_done) {
  stop_ = std::move(stop);
  rows_done_ = rows_done;
  pace_.emplace(t_.device());
  if (t_.replicas_ == Replicas::PushGradients) {
    push_gradients(metrics);
  } else {
    t_.replicas_ == Replicas::ShareGradients ? share_gradients(metrics) : share_weights(metrics);
  }
  t_.write_usual_key();
  if (has_group()) share_losses();
  const Tensor losses = kernels::to_device(losses_, Device::cpu());
  double loss = 0;
  for (std::size_t r = 0; r < lanes_.size(); ++r) loss += losses.data<double>()[r];
  metrics.weight = rows_.weight();
  if (metrics.weight) *metrics.weight *= passes_;
  const double counted = metrics.weight.value_or(static_cast<double>(metrics.rows));
  metrics.train_loss = is_lost() ? std::numeric_limits<double>::infinity() : counted == 0 ? 0 : loss / counted;
}

bool Trainer::Replicated::is_lost() const { return t_.is_lost(); }

// As if a loss of an own replica were lost: updates have no effect from now on.
void Trainer::Replicated::lose() { kernels::fill_(t_.meter_.as_strided({}, {}, 1), 1); }

void Trainer::Replicated::next_batch(std::size_t replica, std::int64_t rows) {
  if (stop_.stop_requested()) throw TrainingStopped("[train] stopped");
  if (has_group()) group_.wire->check();
  t_.lane_ = lanes_[replica];
  lanes_[replica].batches->next();
  pace_->step();
  if (rows_done_ != nullptr) rows_done_->fetch_add(static_cast<std::uint64_t>(rows), std::memory_order_relaxed);
}

// ---- gradients

void Trainer::Replicated::share_gradients(UnitMetrics& metrics) {
  const std::int64_t first = t_.optimizer_->step_count();
  std::int64_t steps = rows_.steps(), updates = 0;
  const auto update = [&](std::int64_t rows) {
    t_.optimizer_->set_lr(t_.rate_at(first + updates++));
    t_.run_step(Part::Update, rows);
  };
  bool is_lost_on_host = false;
  std::int64_t step = 0;
  for (; step < steps && !is_lost_on_host; ++step) {
    if (late_) write_early_keys(step);
    add_gradients(step);
    const bool is_lost_anywhere = finish_mean();
    const std::int64_t rows = rows_.of_all(step, step + 1);
    if (t_.exchange_) t_.exchange_->exchange(t_.gradient_block(), rows);
    if (!late_ || late_->swap(t_.gradient_block())) update(rows);
    is_lost_on_host = t_.device().is_cpu() && (is_lost_anywhere || t_.is_lost_on_host());  // a device runs all steps
  }
  while (late_ && late_->take(t_.gradient_block())) {
    if (!is_lost_on_host) update(0);
  }
  if (is_lost_on_host) {
    steps = step;
  } else if (is_lost()) {  // the lost step was the first one that the optimizer did not count, or some steps later
    steps = std::min(steps, t_.optimizer_->step_count() - first + 1 + (late_ ? late_->steps() : 0));
  }
  metrics.rows = static_cast<std::uint64_t>(rows_.of_all(0, steps));
  metrics.shared_bytes = gradients_->bytes() * static_cast<std::uint64_t>(steps);
  if (!lockstep_) return;
  metrics.statistics_bytes = told_.bytes * static_cast<std::uint64_t>(steps);
  metrics.statistics_rounds = told_.rounds * static_cast<std::uint64_t>(steps);
}

// Until the first update of late gradients the optimizer counts no step, and its count is a part of every random
// address: with the same keys, dropout would repeat its masks.
void Trainer::Replicated::write_early_keys(std::int64_t step) {
  if (step > late_->steps()) return;
  if (step == late_->steps()) return write_keys();
  const auto early = static_cast<std::uint64_t>(step);
  const auto count = static_cast<std::uint64_t>(t_.state_->counters().steps_before);
  for (std::size_t r = 0; r < lanes_.size(); ++r) {
    if (group_.owns(r))
      Trainer::write_word(lanes_[r].key, hash64(t_.experiment_.seed, "early", {t_.model_.value, r, count, early}));
  }
}

// Adds the gradients of the own replicas of the step. Each begins with the buffers from before the step.
void Trainer::Replicated::add_gradients(std::int64_t step) {
  if (lockstep_) return add_gradients_together(step);
  before_step_.take();
  const std::vector<std::optional<double>> shares = rows_.shares(step, step + 1);
  gradients_->begin(shares);
  gradients_->expect();
  const Recording::OnGradient on_gradient = [this](const void* leaf) {
    gradients_->on_gradient(leaf, t_.is_lost_on_host());
  };
  bool is_first = true;
  for (std::size_t r = 0; r < lanes_.size(); ++r) {
    if (!group_.owns(r)) continue;
    if (!shares[r]) {
      gradients_->skip();
      continue;
    }
    if (!std::exchange(is_first, false)) before_step_.bring_back();
    const std::int64_t rows = rows_.of(r, step, step + 1);
    next_batch(r, rows);
    t_.run_step(Part::Gradients, rows, gradients_->takes_gradients() ? on_gradient : Recording::OnGradient());
    static_cast<void>(t_.gradient_block());
    gradients_->add(*shares[r]);
  }
}

// ---- gradients, with synchronised BatchNorm layers

// Each own replica leaves its part of the gradients of the step's loss, which is the sum of share * loss over the
// replicas. So the gradients of layers before a BatchNorm have what reaches them through the statistics of others.
void Trainer::Replicated::compute_together(std::int64_t step, const std::vector<std::optional<double>>& shares) {
  std::vector<std::size_t> with_rows;
  for (std::size_t i = 0; i < own_.size(); ++i) {
    const std::size_t r = own_[i];
    if (!shares[r]) continue;
    with_rows.push_back(i);
    next_batch(r, rows_.of(r, step, step + 1));
    kernels::fill_(lanes_[r].share, *shares[r]);
    if (lanes_[r].own != nullptr) lanes_[r].own->take_buffers();
  }
  if (!with_rows.empty()) told_ = {};
  StepTalk talk(group_, shares);
  const int threads = kernels::compute_threads();
  lockstep_->run(
      with_rows,
      [&](const Lockstep::Numbers& own) {
        told_.bytes += own.front().size() * sizeof(double);
        ++told_.rounds;
        return talk.swap(own);
      },
      [&](std::size_t i) {
        const kernels::PrecisionScope precision(kernels::precision_of(t_.experiment_.run.precision));
        kernels::set_compute_threads(threads);
        t_.lane_ = lanes_[own_[i]];
        t_.run_step(Part::Gradients, rows_.of(own_[i], step, step + 1));
      });
  talk.finish();
  // Nobody takes gradients before it has come here, and a connection that is full for long breaks.
  if (has_group() && gradients_->bytes() > kFitsIntoAConnection) static_cast<void>(is_true_of_any(group_, false));
}

// The buffers become those of the first own replica, as without synchronised layers.
void Trainer::Replicated::add_gradients_together(std::int64_t step) {
  const std::vector<std::optional<double>> shares = rows_.shares(step, step + 1);
  std::vector<std::optional<double>> parts(shares.size());  // the gradients are parts of the mean already
  for (std::size_t r = 0; r < shares.size(); ++r) {
    if (shares[r]) parts[r] = 1;
  }
  gradients_->begin(parts);
  compute_together(step, shares);
  bool is_first = true;
  for (const std::size_t r : own_) {
    if (!shares[r]) {
      gradients_->skip();
      continue;
    }
    const ReplicaModule* const own = lanes_[r].own;
    if (own != nullptr) own->give_gradients();
    if (own != nullptr && is_first) own->give_buffers();
    is_first = false;
    static_cast<void>(t_.gradient_block());
    gradients_->add(1);
  }
}

// Leaves the mean of the step in the gradient block, and the buffers of the first replica. Returns whether a member has
// lost its loss. Then this one has lost it, too: the update has no effect.
bool Trainer::Replicated::finish_mean() {
  const bool is_lost_anywhere = gradients_->finish(has_group() && is_lost());
  if (is_lost_anywhere) lose();
  return is_lost_anywhere;
}

// ---- the trainer's part

UnitMetrics Trainer::train_replicas(std::span<const PartitionId> passes, const PartitionRows& rows, Epoch epoch,
                                    std::stop_token stop, std::atomic<std::uint64_t>* rows_done, const Group& group) {
  const Stopwatch watch;
  const kernels::PrecisionScope precision(kernels::precision_of(experiment_.run.precision));
  if (replicas_ == Replicas::None || passes.empty()) {
    throw StateError("[train] expected a strategy with replicas and a partition for each of them, got " +
                     std::to_string(passes.size()) + " partitions and strategy = \"" + experiment_.run.strategy.name() +
                     "\"; call train() for passes that follow each other");
  }
  if (group.wire != nullptr && group.owners.size() != passes.size()) {
    throw StateError("[train] expected a group with an owner of each of " + std::to_string(passes.size()) +
                     " replicas, got " + std::to_string(group.owners.size()) + " owners");
  }
  if (!replicated_ || !replicated_->fits(passes.size(), group)) {
    replicated_ = std::make_shared<Replicated>(*this, passes.size(), group);
  }
  const Replicated::Membership membership(*replicated_, group);
  UnitMetrics metrics;
  begin_passes(epoch);
  replicated_->start(passes, rows, epoch);
  replicated_->train(metrics, std::move(stop), rows_done);
  lane_ = {.batches = batches_.get()};
  end_passes(metrics, epoch, static_cast<std::int64_t>(passes.size() * passes_of_an_epoch(experiment_)));
  metrics.seconds = watch.seconds();
  return metrics;
}

}  // namespace hop::hopper
