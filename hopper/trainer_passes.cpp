// What stands around the steps of a pass: counters and random keys, steps of several batches, and what the state learns
// after an epoch.
#include <algorithm>
#include <limits>

#include "base/hash.h"
#include "hopper/search/objective.h"
#include "hopper/trainer.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"

namespace hop::hopper {

std::uint64_t Trainer::usual_key() const { return hash64(experiment_.seed, "random", {model_.value}); }

void Trainer::write_word(const Tensor& to, std::uint64_t value) {
  const Tensor word = Tensor::empty({}, DType::i64);
  word.data<std::int64_t>()[0] = static_cast<std::int64_t>(value);
  kernels::copy_(to, kernels::to_device(word, to.device()));
}

void Trainer::begin_passes(Epoch epoch) {
  state_->counters().random_key = usual_key();
  state_->settle();
  module_->train();
  kernels::fill_(meter_, 0);
  lane_ = {.batches = batches_.get()};
  epoch_start_.reset();
  if (counts_epochs(config_)) epoch_start_ = epoch.value * steps_per_epoch(experiment_, config_, dataset_);
  if (updates_.plateau) plateau_rate_ = updates_.plateau->rate(schedule_(0));
}

void Trainer::end_passes(UnitMetrics& metrics, Epoch epoch, std::int64_t passes) {
  nn::Counters& counters = state_->counters();
  counters.rows += static_cast<std::int64_t>(metrics.rows);
  counters.unit += passes;
  counters.epoch = epoch.value;
  metrics.state_bytes = state_->layout().bytes;
}

void Trainer::begin_pieces(const data::Partition& partition) {
  const std::int64_t batch = batch_rows(experiment_, config_, dataset_);
  piece_ = {.batches_left = (partition.rows() + batch - 1) / batch};
}

// The optimizer counts no step between the batches of one, and its count is a part of every random address: with the
// same key, dropout would repeat its masks. So each batch has a key of its own, the first one the usual key.
void Trainer::train_piece(std::int64_t rows) {
  if (piece_.number == 0) {
    piece_.of = std::min(accumulate_, piece_.batches_left);
    piece_.rows = 0;
    write_usual_key();
  } else {
    write_word(random_key(),
               hash64(experiment_.seed, "accumulated", {model_.value, static_cast<std::uint64_t>(piece_.number)}));
  }
  run_step(Part::Gradients, rows);
  --piece_.batches_left;
  piece_.rows += rows;
  if (++piece_.number < piece_.of) return;
  piece_.number = 0;
  if (exchange_) exchange_->exchange(gradient_block(), piece_.rows);
  run_step(Part::Update, piece_.rows);
}

// A lost loss may end a pass in the middle of a step.
void Trainer::end_pieces() {
  piece_ = {};
  if (accumulate_ != 1) write_usual_key();
}

void Trainer::learn_validation(const UnitMetrics& metrics) {
  if (!updates_.plateau) return;
  const EpochMetrics epoch{
      .valid_loss = metrics.valid_loss, .valid_accuracy = metrics.valid_accuracy, .own = metrics.own};
  const std::optional<double> metric = measured(plateau_metric(experiment_), epoch);
  updates_.plateau->step(metric.value_or(std::numeric_limits<double>::quiet_NaN()), schedule_(0));
}

}  // namespace hop::hopper
