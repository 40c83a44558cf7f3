// An epoch of replicas that share weights: each trains alone, for some steps or for some passes over its partition,
// then all take the mean.
#include <algorithm>
#include <utility>

#include "hopper/detail/group_talk.h"
#include "hopper/trainer_replicas_internal.h"
#include "kernels/copy.h"

namespace hop::hopper {

void Trainer::Replicated::share_weights(UnitMetrics& metrics) {
  const ReplicaOptions& options = t_.experiment_.run.replicas;
  const std::int64_t steps = rows_.steps();
  // With several passes between two averages `every` is the steps of one of them.
  const std::int64_t every = options.average_every ? *options.average_every : std::max<std::int64_t>(steps, 1);
  std::uint64_t shared = 0;
  for (std::int64_t begin = 0; begin < steps; begin += every) {
    const std::int64_t end = std::min(begin + every, steps), counted = t_.optimizer_->step_count();
    const bool are_slots_averaged = options.average_state.value_or(AverageState::Average) == AverageState::Average ||
                                    (options.average_state == AverageState::Keep && end == steps);
    ReplicaMean& mean = are_slots_averaged ? *weights_and_slots_ : *weights_;
    start_.take();
    add_weights(mean, begin, end, t_.state_->counters().steps_before + counted - begin);
    if (any_member_lost()) {
      give_up_since(begin, every);
      break;
    }
    mean.finish(false);
    const std::int64_t taken = (end - begin) * passes_;
    kernels::fill_(t_.optimizer_->step_tensor(), counted + taken);
    if (options.average_state == AverageState::Reset) reset_optimizer(counted + taken);
    metrics.rows += static_cast<std::uint64_t>(rows_.of_all(begin, end) * passes_);
    shared += mean.bytes();
  }
  metrics.shared_bytes = shared;
}

// Trains each own replica from the same start. `first`: step 0 of the epoch, as the schedule counts.
void Trainer::Replicated::add_weights(ReplicaMean& mean, std::int64_t begin, std::int64_t end, std::int64_t first) {
  const std::vector<std::optional<double>> shares = rows_.shares(begin, end);
  mean.begin(shares);
  bool is_first = true;
  for (std::size_t r = 0; r < lanes_.size() && !t_.is_lost_on_host(); ++r) {
    if (!group_.owns(r)) continue;
    if (!shares[r]) {
      mean.skip();
      continue;
    }
    if (!std::exchange(is_first, false)) start_.bring_back();
    if (!slots_.empty() && begin != 0) slots_[r].bring_back();
    train_alone(r, begin, end, first);
    for (std::uint32_t pass = 1; pass < passes_ && !t_.is_lost_on_host(); ++pass) {
      begin_pass_(r, pass);
      train_alone(r, begin, end, first + pass * rows_.steps());
    }
    mean.add(*shares[r]);
    if (!slots_.empty()) slots_[r].take();
  }
}

// Members may have trained for a long time, some longer than others. Here they wait for each other.
bool Trainer::Replicated::any_member_lost() {
  if (!has_group()) return is_lost();
  const bool is_lost_anywhere = is_true_of_any(group_, is_lost());
  if (is_lost_anywhere) lose();
  return is_lost_anywhere;
}

// Back to the last average. Slots that replicas keep have no average there. One worker has left those of the replica
// that trained last before it, which a group then takes from their owner.
void Trainer::Replicated::give_up_since(std::int64_t begin, std::int64_t every) {
  start_.bring_back();
  if (!has_group() || slots_.empty() || begin == 0) return;
  std::size_t last = lanes_.size() - 1;
  while (rows_.of(last, begin - every, begin) == 0) --last;
  take_from(group_, group_.owners[last], all_slots_);
}

void Trainer::Replicated::train_alone(std::size_t replica, std::int64_t begin, std::int64_t end, std::int64_t first) {
  for (std::int64_t step = begin; step < end && !t_.is_lost_on_host(); ++step) {
    const std::int64_t rows = rows_.of(replica, step, step + 1);
    if (rows == 0) return;
    t_.optimizer_->set_lr(t_.rate_at(first + step));
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

}  // namespace hop::hopper
