#include "hopper/simulate/node.h"

#include <utility>

namespace hop::hopper::simulate {

namespace event = worker::event;

template <class F>
void Node::later(Time delay, F task) {
  world_.after(delay, [this, life = life_, task = std::move(task)] {
    if (life == life_) task();
  });
}

std::optional<ModelId> Node::trains() const {
  const worker::Job* job = connected_ ? jobs_.training() : nullptr;
  return job != nullptr ? std::optional(job->lease.model) : std::nullopt;
}

// ---- lives ----------------------------------------------------------------------------------------------------------

void Node::connect() {
  connected_ = true;
  peer_.incarnation = Incarnation{peer_.incarnation.value + 1};
  jobs_ = {};
  step(event::Opened{disk_.scan()});
}

void Node::die() {
  end_life();
  disk_.stop();
  if (writes_.empty()) return;
  const HeldState torn = writes_.front();
  writes_.clear();
  if (world_.is_torn(peer_.worker, torn.model, torn.version)) disk_.write(torn, Damage::Rotten);
}

void Node::disconnect() { step(event::Broken{worker::Trouble::Connection, "the connection is lost"}); }

void Node::end_life() {
  alive_ = connected_ = false;
  ++life_;
  if (const auto lease = std::exchange(together_, std::nullopt)) world_.scatter(lease->attempt);
  events_.clear();
  parents_.clear();
  results_.clear();
  copies_.clear();
}

// ---- what it hears --------------------------------------------------------------------------------------------------

void Node::receive(const action::SendLease& message) {
  const Lease& lease = message.lease;
  if (world_.dies(peer_.worker, Moment::GotLease, lease.model, lease.unit)) return;
  step(event::Leased{lease, lease.source ? "w" + std::to_string(lease.source->value) : std::string()});
}

void Node::receive(const action::CancelLease& message) { step(event::Cancelled{message.attempt, message.abandon}); }

void Node::receive(const action::SourceGone& message) { step(event::SourceGone{message.attempt}); }

void Node::receive(const action::Answer& message) {
  const bool is_committed = message.verdict == Verdict::Committed;
  if (is_committed && world_.dies(peer_.worker, Moment::HeardCommitted, message.model, message.unit)) return;
  step(event::Answered{message.model, message.unit, message.attempt, message.verdict});
}

void Node::receive(const action::Release& message) {
  if (world_.dies(peer_.worker, Moment::GotRelease, message.model, after(message.version))) return;
  step(event::Released{{message.model, message.version, message.attempt}});
}

void Node::receive(const action::SendCopy& message) {
  step(event::CopyOrdered{message.copy, "w" + std::to_string(message.copy.source.value)});
}

Reading Node::give(ModelId model, Version version) {
  answer_ = {Reading::Kind::Unreachable, {}, {}};
  step(event::Wanted{0, model, version});
  return answer_;
}

template <>
void Node::execute(const worker::action::Offer& offer) {
  world_.send(peer_, hopper::event::WorkerUp{peer_, offer.held});
}

template <>
void Node::execute(const worker::action::End& end) {
  end_life();
  world_.ended(peer_, end.trouble);
}

// ---- from a lease to training ---------------------------------------------------------------------------------------

template <>
void Node::execute(const worker::action::Prepare& prepare) {
  step(event::Prepared{prepare.lease.attempt});
}

template <>
void Node::execute(const worker::action::Fetch& fetch) {
  later(world_.transfer_time(fetch.lease.identity()), [this, lease = fetch.lease] {
    arrive(lease, world_.fetch(peer_.worker, *lease.source, lease.parent_owner(), before(lease.unit)));
  });
}

template <>
void Node::execute(const worker::action::Read& read) {
  disk_.then({}, [this, life = life_, lease = read.lease] {
    if (life == life_) arrive(lease, disk_.read(lease.parent_owner(), before(lease.unit)));
  });
}

void Node::arrive(const Lease& lease, const Reading& parent) {
  switch (parent.kind) {
    case Reading::Kind::Read:
      parents_[lease.attempt] = parent.digest;
      return step(event::Arrived{lease.attempt, parent.digest});
    case Reading::Kind::Unreachable:
    case Reading::Kind::Released:
      return step(event::Failed{lease.attempt, Failure::SourceUnreachable, "no answer"});
    case Reading::Kind::Lost:
      return step(event::Failed{lease.attempt, Failure::StateLost, "no such state"});
    case Reading::Kind::Unreadable:
      return step(event::Failed{lease.attempt, Failure::StateDamaged, "cannot be read"});
  }
}

template <>
void Node::execute(const worker::action::Train& train) {
  if (train.lease.has_group()) {
    together_ = train.lease;
    return world_.gather(peer_.worker, train.lease);
  }
  later(world_.unit_time(peer_.worker, train.lease), [this, lease = train.lease] { trained(lease); });
}

void Node::trained(const Lease& lease) {
  if (world_.dies(peer_.worker, Moment::Training, lease.model, lease.unit)) return;
  if (!world_.gets_rows(peer_.worker, lease)) {
    return step(event::Failed{lease.attempt, Failure::MemberLost, "the rows of another node do not come"});
  }
  if (world_.unit_fails(lease)) {
    return step(event::Failed{lease.attempt, Failure::Error, "the loss function threw"});
  }
  finish(lease);
}

void Node::finish(const Lease& lease) {
  const auto [metrics, digest] = world_.train(peer_.worker, lease, parents_[lease.attempt]);
  parents_.erase(lease.attempt);
  results_[lease.attempt] = digest;
  step(event::Trained{lease.attempt, metrics});
}

void Node::hear_end(Attempt attempt, GroupEnd end) {
  if (!together_ || together_->attempt != attempt) return;
  const Lease lease = *std::exchange(together_, std::nullopt);
  if (end == GroupEnd::MemberLost) return step(event::Failed{attempt, Failure::MemberLost, "a member is gone"});
  if (end == GroupEnd::Threw) return step(event::Failed{attempt, Failure::Error, "the loss function threw"});
  if (lease.is_lead()) return finish(lease);
  parents_.erase(attempt);
  step(event::Trained{attempt, {}});
}

template <>
void Node::execute(const worker::action::Abandon& abandon) {
  world_.scatter(abandon.attempt);
}

template <>
void Node::execute(const worker::action::TellConfirmed& tell) {
  world_.send(peer_, hopper::event::Confirmed{peer_, tell.lease.model, tell.lease.attempt});
}

template <>
void Node::execute(const worker::action::Drop& drop) {
  parents_.erase(drop.attempt);
  results_.erase(drop.attempt);
}

// ---- from training to a result ----------------------------------------------------------------------------------------

template <>
void Node::execute(const worker::action::Save& save) {
  HeldState state = save.state;
  state.digest = results_[state.attempt];
  results_.erase(state.attempt);
  writes_.push_back(state);
  disk_.then(world_.save_time(), [this, state] { saved(state); });
}

// If the life has ended meanwhile, the file is still written, and the machine hears nothing.
void Node::saved(const HeldState& state) {
  writes_.pop_front();
  if (world_.is_full()) return step(event::Broken{worker::Trouble::Disk, "no space left on device"});
  disk_.write(state);
  world_.wrote(peer_.worker, state);
  if (alive_ && world_.dies(peer_.worker, Moment::OnDisk, state.model, before(state.version))) return;
  step(event::Saved{state.attempt, state.digest});
}

template <>
void Node::execute(const worker::action::TellResult& tell) {
  const HeldState& s = tell.state;
  world_.send(peer_, hopper::event::Result{peer_, s.model, before(s.version), s.attempt, s.digest, s.metrics});
  world_.dies(peer_.worker, Moment::SentResult, s.model, before(s.version));
}

template <>
void Node::execute(const worker::action::TellFailed& tell) {
  const Lease& lease = tell.lease;
  world_.send(peer_, hopper::event::UnitFailed{peer_, lease.model, lease.unit, lease.attempt, tell.failure, tell.text});
}

// ---- states ---------------------------------------------------------------------------------------------------------

template <>
void Node::execute(const worker::action::Delete& order) {
  disk_.then(world_.delete_time(), [this, state = order.state] { disk_.remove(state.model, state.version); });
}

template <>
void Node::execute(const worker::action::Serve& serve) {
  answer_ = disk_.read(serve.state.model, serve.state.version);
  if (answer_.kind == Reading::Kind::Lost) step(event::Vanished{serve.state});
}

template <>
void Node::execute(const worker::action::Refuse& refuse) {
  answer_ = {refuse.released ? Reading::Kind::Released : Reading::Kind::Lost, {}, {}};
}

template <>
void Node::execute(const worker::action::CopyAhead&) {}  // a toy disk is read in no time

// ---- copies ---------------------------------------------------------------------------------------------------------

template <>
void Node::execute(const worker::action::FetchCopy& fetch) {
  later(world_.transfer_time(fetch.copy.owner()), [this, copy = fetch.copy] {
    const Reading reading = world_.fetch(peer_.worker, copy.source, copy.owner(), copy.version);
    if (reading.kind != Reading::Kind::Read) return step(event::CopyFailed{copy.attempt, "not fetched"});
    HeldState& state = copies_[copy.attempt] = reading.state;
    state.model = copy.model;
    state.attempt = copy.attempt;
    state.digest = reading.digest;
    step(event::CopyArrived{copy.attempt, reading.digest});
  });
}

template <>
void Node::execute(const worker::action::SaveCopy& save) {
  const HeldState state = copies_.at(save.copy.attempt);
  writes_.push_back(state);
  disk_.then(world_.save_time(), [this, state] {
    writes_.pop_front();
    if (world_.is_full()) return step(event::CopyFailed{state.attempt, "no space left on device"});
    disk_.write(state);
    world_.wrote(peer_.worker, state);
    step(event::CopySaved{state.attempt, state.digest});
  });
}

template <>
void Node::execute(const worker::action::TellCopied& tell) {
  copies_.erase(tell.copy.attempt);
  world_.send(peer_, hopper::event::Copied{peer_, tell.copy.model, tell.copy.attempt});
}

template <>
void Node::execute(const worker::action::TellNotCopied& tell) {
  copies_.erase(tell.copy.attempt);
  world_.send(peer_, hopper::event::CopyFailed{peer_, tell.copy.model, tell.copy.attempt, tell.text});
}

// ---- the machine: behind the actions, which it must know ------------------------------------------------------------

// Events that an action causes at once wait until all actions before them are executed.
void Node::step(worker::Event event) {
  events_.push_back(std::move(event));
  if (stepping_) return;
  stepping_ = true;
  const std::uint64_t life = life_;
  while (life == life_ && !events_.empty()) {
    const worker::Event next = std::move(events_.front());
    events_.pop_front();
    for (const worker::Action& action : world_.step(peer_.worker, jobs_, next)) {
      if (life == life_) std::visit([this](const auto& a) { execute(a); }, action);
    }
  }
  stepping_ = false;
}

}  // namespace hop::hopper::simulate
