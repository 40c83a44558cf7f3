#include "hopper/simulate/toy_worker.h"

#include <algorithm>
#include <limits>

#include "hopper/simulate/toy_model.h"

namespace hop::hopper::simulate {

template <class F>
void ToyWorker::later(Time delay, F task) {
  host_.after(delay, [this, life = life_, task = std::move(task)] {
    if (life == life_) task();
  });
}

const HeldState* ToyWorker::find(ModelId model, std::uint32_t version) const {
  const auto found = disk_.find({model, version});
  return found == disk_.end() || found->second.is_damaged ? nullptr : &found->second.state;
}

std::optional<ModelId> ToyWorker::trains() const {
  return training_ ? std::optional(tasks_.front().lease.model) : std::nullopt;
}

Reading ToyWorker::read(ModelId model, std::uint32_t version) const {
  const auto found = disk_.find({model, version});
  if (found == disk_.end()) return {Reading::Kind::Lost};
  if (found->second.is_damaged) return {Reading::Kind::Damaged};
  return {Reading::Kind::Read, found->second.state};
}

std::vector<HeldState> ToyWorker::disk() const {
  std::vector<HeldState> all;
  for (const auto& entry : disk_) all.push_back(entry.second.state);
  return all;
}

void ToyWorker::die() {
  alive_ = false;
  connected_ = false;
  forget();
}

void ToyWorker::forget() {
  ++life_;
  training_ = finishing_ = false;
  tasks_.clear();
  seen_.clear();
}

void ToyWorker::connect() {
  forget();
  connected_ = true;
  peer_.incarnation = Incarnation{peer_.incarnation.value + 1};
  std::erase_if(disk_, [](const auto& entry) { return entry.second.is_damaged; });  // none passes its check
  event::WorkerUp hello{peer_, disk()};
  host_.send(peer_, std::move(hello));
}

void ToyWorker::disconnect(bool finishes) {
  connected_ = false;
  finishing_ = finishes && training_;
}

void ToyWorker::receive(const action::SendLease& message) {
  const Lease& lease = message.lease;
  if (!seen_.insert(lease.attempt).second) return;
  if (host_.dies(peer_.worker, Moment::GotLease, lease.model, lease.unit)) return;
  const auto first_waiting = tasks_.begin() + (training_ ? 1 : 0);
  tasks_.insert(
      std::find_if(first_waiting, tasks_.end(), [&](const Task& t) { return lease.attempt < t.lease.attempt; }),
      Task{lease, false});
  fetch_parent(lease);
}

void ToyWorker::fetch_parent(const Lease& lease) {
  if (lease.source) {
    later(host_.scenario().transfer_time,
          [this, lease] { parent_arrived(lease, host_.fetch(peer_.worker, *lease.source, lease.model, lease.unit)); });
  } else if (lease.unit == 0) {
    parent_arrived(lease, {});  // built from the experiment
  } else {
    parent_arrived(lease, read(lease.model, lease.unit));
  }
}

void ToyWorker::parent_arrived(const Lease& lease, const Reading& parent) {
  const auto task = std::find_if(tasks_.begin(), tasks_.end(), [&](const Task& t) { return t.lease == lease; });
  if (task == tasks_.end()) return;  // cancelled
  if (parent.kind == Reading::Kind::Unreachable) return fail(lease, Failure::SourceUnreachable, "no answer");
  if (parent.kind == Reading::Kind::Lost) return fail(lease, Failure::StateLost, "no such state");
  if (parent.kind == Reading::Kind::Damaged || parent.state.digest != lease.parent) {
    return fail(lease, Failure::StateDamaged, "another digest");
  }
  task->parent_is_here = true;
  train_next();
}

void ToyWorker::fail(const Lease& lease, Failure failure, const std::string& text) {
  std::erase_if(tasks_, [&](const Task& t) { return t.lease == lease; });
  host_.send(peer_, event::UnitFailed{peer_, lease.model, lease.unit, lease.attempt, failure, text});
  train_next();
}

void ToyWorker::train_next() {
  if (training_ || tasks_.empty() || !tasks_.front().parent_is_here) return;
  training_ = true;
  const Lease lease = tasks_.front().lease;
  later(unit_time(host_.scenario(), peer_.worker, lease.model, lease.unit), [this, lease] { trained(lease); });
}

void ToyWorker::trained(const Lease& unit) {
  const Lease lease = unit;
  if (host_.dies(peer_.worker, Moment::Training, lease.model, lease.unit)) return;
  training_ = false;
  const bool alone = finishing_;  // no connection: the next life offers the state
  if (host_.unit_fails(lease)) {
    finishing_ = false;
    return fail(lease, Failure::Error, "the loss function threw");
  }
  tasks_.erase(tasks_.begin());

  const Scenario& scenario = host_.scenario();
  UnitMetrics metrics;
  metrics.train_loss = 1.0 / (1 + lease.unit);
  metrics.rows = 100;
  metrics.state_bytes = kStateBytes;
  metrics.seconds =
      std::chrono::duration<double>(unit_time(host_.scenario(), peer_.worker, lease.model, lease.unit)).count();
  metrics.received_bytes = lease.source ? kStateBytes : 0;
  if (lease.validate) metrics.valid_accuracy = 0.5;
  if (scenario.divergent == lease.model && scenario.bad_unit == lease.unit) {
    metrics.train_loss = std::numeric_limits<double>::infinity();
  }
  Digest digest = train_toy(lease.parent, lease.model, lease.epoch, lease.partition);
  if (host_.errs(lease)) digest.low ^= 1;
  const HeldState state{lease.model, lease.unit + 1, lease.partition, lease.attempt, lease.parent, digest, metrics};
  if (scenario.save_time == Time::zero()) {
    saved(state, alone);
  } else {
    later(scenario.save_time, [this, state, alone] { saved(state, alone); });
  }
  if (!alone) train_next();
}

// The state is on the disk before RESULT is sent.
void ToyWorker::saved(const HeldState& state, bool alone) {
  const std::uint32_t unit = state.version - 1;
  disk_[{state.model, state.version}] = {state, false};
  host_.wrote(peer_.worker, state.model, state.version);
  if (alone) {
    finishing_ = false;
    return;
  }
  if (host_.dies(peer_.worker, Moment::OnDisk, state.model, unit)) return;
  host_.send(peer_, event::Result{peer_, state.model, unit, state.attempt, state.digest, state.metrics});
  host_.dies(peer_.worker, Moment::SentResult, state.model, unit);
}

void ToyWorker::receive(const action::CancelLease& message) {
  const auto waiting = tasks_.begin() + (training_ ? 1 : 0);
  const auto task =
      std::find_if(waiting, tasks_.end(), [&](const Task& t) { return t.lease.attempt == message.attempt; });
  if (task != tasks_.end()) fail(Lease(task->lease), Failure::Cancelled, "");
}

void ToyWorker::receive(const action::Answer& message) {
  if (message.verdict == Verdict::Stale) {
    erase(message.model, message.unit + 1, message.attempt);
  } else {
    host_.dies(peer_.worker, Moment::HeardCommitted, message.model, message.unit);
  }
}

void ToyWorker::receive(const action::Release& message) {
  if (host_.dies(peer_.worker, Moment::GotRelease, message.model, message.version)) return;
  erase(message.model, message.version, message.attempt);
}

void ToyWorker::erase(ModelId model, std::uint32_t version, Attempt attempt) {
  const auto found = disk_.find({model, version});
  if (found != disk_.end() && found->second.state.attempt == attempt) disk_.erase(found);
}

}  // namespace hop::hopper::simulate
