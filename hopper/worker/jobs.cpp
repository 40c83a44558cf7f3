#include "hopper/worker/jobs.h"

#include <algorithm>
#include <iterator>

namespace hop::hopper::worker {
namespace {

constexpr std::size_t kRememberedReleases = 1024;

}  // namespace

std::vector<Action> Jobs::step(const Event& event, Time now) {
  actions_.clear();
  if (ended_) return {};
  now_ = now;
  std::visit([this](const auto& e) { on(e); }, event);
  if (!ended_) fetch_next_copy();
  return std::move(actions_);
}

const Job* Jobs::find(Attempt attempt) const {
  const auto job = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& j) { return j.lease.attempt == attempt; });
  return job == jobs_.end() ? nullptr : &*job;
}

const Job* Jobs::training() const {
  const auto job = std::find_if(jobs_.begin(), jobs_.end(), [](const Job& j) { return j.stage == Stage::Training; });
  return job == jobs_.end() ? nullptr : &*job;
}

bool Jobs::holds(const StateName& state) const {
  const auto held = held_.find({state.model, state.version});
  return held != held_.end() && held->second.attempt == state.attempt;
}

// The job of this attempt, if it is in this stage. Null for a late report about a job that was given up meanwhile.
Job* Jobs::find(Attempt attempt, Stage stage) {
  const auto job = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& j) { return j.lease.attempt == attempt; });
  return job != jobs_.end() && job->stage == stage ? &*job : nullptr;
}

void Jobs::on(const event::Opened& opened) {
  for (const HeldState& state : opened.held) held_[{state.model, state.version}] = {state.attempt, state.digest};
  emit(action::Offer{opened.held});
}

// ---- from a lease to training ---------------------------------------------------------------------------------------

// Attempts grow, so they are the order of the leases. Only a network that lets messages overtake each other needs the
// search.
void Jobs::on(const event::Leased& leased) {
  if (!is_new(leased.lease.attempt)) return;
  const auto place = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& job) {
    return !job.has_begun() && leased.lease.attempt < job.lease.attempt;
  });
  jobs_.insert(place, Job{leased.lease, leased.source, Stage::Ordered, now_, {}});
  emit(action::Prepare{leased.lease});
}

bool Jobs::is_new(Attempt attempt) {
  const auto place = std::lower_bound(seen_.begin(), seen_.end(), attempt);
  if (place != seen_.end() && *place == attempt) return false;
  seen_.insert(place, attempt);
  return true;
}

void Jobs::on(const event::Prepared& prepared) {
  if (Job* job = find(prepared.attempt, Stage::Ordered)) look_for_parent(*job);
}

void Jobs::look_for_parent(Job& job) {
  const Lease& lease = job.lease;
  if (is_first(lease.unit)) return arrive(job);
  if (!job.source.empty()) {
    job.stage = Stage::Fetching;
    return emit(action::Fetch{lease, job.source});
  }
  const auto held = held_.find({lease.parent_owner(), before(lease.unit)});
  if (held == held_.end()) {
    return give_up(lease.attempt, Failure::StateLost, "the parent state is not on this node");
  }
  if (held->second.digest != lease.parent) {
    return give_up(lease.attempt, Failure::StateDamaged, "another state lies where the parent should be");
  }
  job.stage = Stage::Fetching;
  emit(action::Read{lease});
}

void Jobs::on(const event::Arrived& arrived) {
  Job* job = find(arrived.attempt, Stage::Fetching);
  if (job == nullptr) return;
  if (arrived.digest == job->lease.parent) return arrive(*job);
  const std::string from = job->source.empty() ? "the disk" : job->source;
  give_up(arrived.attempt, Failure::StateDamaged, "[fetch] the state from " + from + " is damaged");
}

void Jobs::arrive(Job& job) {
  job.stage = Stage::Arrived;
  begin_next();
}

// Leases are trained in their order, even if the parent of a later one is here first.
void Jobs::begin_next() {
  if (training() != nullptr) return;
  const auto next = std::find_if(jobs_.begin(), jobs_.end(), [](const Job& job) { return !job.has_begun(); });
  if (next == jobs_.end() || next->stage != Stage::Arrived) return;
  next->stage = Stage::Training;
  emit(action::Train{next->lease, next->ordered, free_since_});
}

// ---- from training to an answer -------------------------------------------------------------------------------------

void Jobs::on(const event::Trained& trained) {
  Job* job = find(trained.attempt, Stage::Training);
  if (job == nullptr) return;
  free_since_ = now_;
  if (job->abandoned) return give_up(trained.attempt, Failure::Cancelled, "its group has lost a member");
  if (!job->lease.is_lead()) return confirm(*job);
  job->stage = Stage::Leaving;
  job->metrics = trained.metrics;
  const Lease& lease = job->lease;
  held_.erase({lease.model, after(lease.unit)});  // the new file will replace it
  const auto same = std::ranges::find_if(copies_, [&](const CopyJob& copy) {
    return copy.copy.model == lease.model && copy.copy.version == after(lease.unit);
  });
  if (same != copies_.end()) give_up_copy(same, "a unit has made this state here");
  emit(action::Save{
      {lease.model, after(lease.unit), lease.partition, lease.attempt, lease.parent, {}, trained.metrics}});
  begin_next();
}

void Jobs::confirm(const Job& job) {
  const Lease lease = job.lease;
  std::erase_if(jobs_, [&](const Job& j) { return j.lease.attempt == lease.attempt; });
  emit(action::Drop{lease.attempt});
  emit(action::TellConfirmed{lease});
  begin_next();
}

void Jobs::on(const event::Saved& saved) {
  Job* job = find(saved.attempt, Stage::Leaving);
  if (job == nullptr) return;
  job->stage = Stage::Durable;
  const Lease& lease = job->lease;
  hold({lease.model, after(lease.unit)}, {lease.attempt, saved.digest});
  emit(action::TellResult{
      {lease.model, after(lease.unit), lease.partition, lease.attempt, lease.parent, saved.digest, job->metrics}});
  const bool is_idle = std::none_of(jobs_.begin(), jobs_.end(), [](const Job& j) { return j.stage < Stage::Leaving; });
  if (is_idle) emit(action::CopyAhead{{lease.model, after(lease.unit), lease.attempt}});
}

void Jobs::on(const event::Answered& answered) {
  if (find(answered.attempt, Stage::Durable) != nullptr) {
    std::erase_if(jobs_, [&](const Job& job) { return job.lease.attempt == answered.attempt; });
  }
  if (answered.verdict == Verdict::Stale) release({answered.model, after(answered.unit), answered.attempt});
}

// ---- leases that come to nothing ------------------------------------------------------------------------------------

void Jobs::on(const event::Cancelled& cancelled) {
  if (Job* job = find(cancelled.attempt, Stage::Training); job != nullptr && cancelled.abandon) {
    if (!std::exchange(job->abandoned, true)) emit(action::Abandon{cancelled.attempt});
    return;
  }
  const Job* job = std::as_const(*this).find(cancelled.attempt);
  if (job == nullptr && cancelled.abandon) return static_cast<void>(is_new(cancelled.attempt));  // it may come later
  if (job == nullptr || job->has_begun()) return;  // it has begun: its result will count, or be stale
  give_up(cancelled.attempt, Failure::Cancelled, "cancelled before it began");
}

// A parent or a copy that has arrived is kept: it may be the only one of this state that is left. (Of a group: until
// another member gives the unit back. Law 5.)
void Jobs::on(const event::SourceGone& gone) {
  const std::string text = "the worker that has it is gone, and no byte of it comes";
  const Job* job = std::as_const(*this).find(gone.attempt);
  const bool is_awaited = job != nullptr && job->stage < Stage::Arrived && !job->source.empty();
  if (is_awaited) return give_up(gone.attempt, Failure::SourceGone, text);
  const auto copy = std::ranges::find_if(copies_, [&](const CopyJob& c) { return c.copy.attempt == gone.attempt; });
  if (copy != copies_.end() && copy->stage < CopyStage::Leaving) give_up_copy(copy, text);
}

void Jobs::on(const event::Failed& failed) {
  const Job* job = find(failed.attempt);
  if (job == nullptr || job->stage == Stage::Durable) return;
  if (job->stage == Stage::Fetching && job->source.empty() && failed.failure == Failure::StateLost) {
    held_.erase({job->lease.parent_owner(), before(job->lease.unit)});
  }
  if (job->stage == Stage::Training) free_since_ = now_;
  give_up(failed.attempt, failed.failure, failed.text);
}

void Jobs::give_up(Attempt attempt, Failure failure, std::string text) {
  const auto job = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& j) { return j.lease.attempt == attempt; });
  const Lease lease = job->lease;
  jobs_.erase(job);
  emit(action::Drop{attempt});
  emit(action::TellFailed{lease, failure, std::move(text)});
  begin_next();
}

// ---- states ---------------------------------------------------------------------------------------------------------

void Jobs::on(const event::Wanted& wanted) {
  const auto held = held_.find({wanted.model, wanted.version});
  if (held != held_.end()) {
    return emit(action::Serve{wanted.ticket, {wanted.model, wanted.version, held->second.attempt}});
  }
  const bool was_released = std::ranges::find(released_, Key{wanted.model, wanted.version}) != released_.end();
  const std::string name = "version " + to_string(wanted.version) + " of model " + std::to_string(wanted.model.value);
  emit(action::Refuse{wanted.ticket, name + (was_released ? " was released" : " is not here"), was_released});
}

void Jobs::on(const event::Vanished& vanished) {
  if (holds(vanished.state)) held_.erase({vanished.state.model, vanished.state.version});
}

void Jobs::hold(Key key, Held state) {
  held_[key] = state;
  std::erase(released_, key);
}

// A state of another attempt stays: it has the same model and version, but it is not the state of the order. The disk
// deletes by name, so a file that another attempt is about to replace is left to it.
void Jobs::release(const StateName& state) {
  if (!holds(state)) return;
  const Key key{state.model, state.version};
  held_.erase(key);
  released_.push_back(key);
  if (released_.size() > kRememberedReleases) released_.pop_front();
  const bool is_replaced = std::ranges::any_of(jobs_, [&](const Job& job) {
    return job.stage == Stage::Leaving && job.lease.model == state.model && after(job.lease.unit) == state.version;
  });
  if (!is_replaced) emit(action::Delete{state});
}

// ---- copies ---------------------------------------------------------------------------------------------------------

// A state of the same name is not overwritten: it may be about to be deleted, or somebody may be reading it.
void Jobs::on(const event::CopyOrdered& ordered) {
  const Copy& copy = ordered.copy;
  if (!is_new(copy.attempt)) return;
  copies_.push_back({copy, ordered.source, CopyStage::Waiting});
  if (held_.contains({copy.model, copy.version}) || makes(copy.model, copy.version)) {
    give_up_copy(std::prev(copies_.end()), "a state of this name is here");
  }
}

// Whether a job or another copy is about to leave this version here.
bool Jobs::makes(ModelId model, Version version) const {
  const bool is_made = std::ranges::any_of(jobs_, [&](const Job& job) {
    const Lease& lease = job.lease;
    return lease.is_lead() && lease.model == model && after(lease.unit) == version && job.stage != Stage::Durable;
  });
  const auto copied = std::ranges::count_if(
      copies_, [&](const CopyJob& other) { return other.copy.model == model && other.copy.version == version; });
  return is_made || copied > 1;
}

void Jobs::fetch_next_copy() {
  if (copies_.empty() || copies_.front().stage != CopyStage::Waiting) return;
  const bool is_fetching =
      std::ranges::any_of(jobs_, [](const Job& job) { return job.stage == Stage::Fetching && !job.source.empty(); });
  if (is_fetching) return;
  CopyJob& next = copies_.front();
  next.stage = CopyStage::Fetching;
  emit(action::FetchCopy{next.copy, next.source});
}

std::vector<CopyJob>::iterator Jobs::find_copy(Attempt attempt, CopyStage stage) {
  return std::ranges::find_if(copies_,
                              [&](const CopyJob& copy) { return copy.copy.attempt == attempt && copy.stage == stage; });
}

void Jobs::on(const event::CopyArrived& arrived) {
  const auto copy = find_copy(arrived.attempt, CopyStage::Fetching);
  if (copy == copies_.end()) return;
  if (arrived.digest != copy->copy.digest) {
    return give_up_copy(copy, "[copy] the state from " + copy->source + " is damaged");
  }
  copy->stage = CopyStage::Leaving;
  emit(action::SaveCopy{copy->copy});
}

void Jobs::on(const event::CopySaved& saved) {
  const auto copy = find_copy(saved.attempt, CopyStage::Leaving);
  if (copy == copies_.end()) return;
  const Copy done = copy->copy;
  copies_.erase(copy);
  hold({done.model, done.version}, {done.attempt, saved.digest});
  emit(action::TellCopied{done});
}

void Jobs::on(const event::CopyFailed& failed) {
  const auto copy = std::ranges::find_if(copies_, [&](const CopyJob& c) { return c.copy.attempt == failed.attempt; });
  if (copy != copies_.end()) give_up_copy(copy, failed.text);
}

void Jobs::give_up_copy(std::vector<CopyJob>::iterator copy, std::string text) {
  const Copy given_up = copy->copy;
  copies_.erase(copy);
  emit(action::TellNotCopied{given_up, std::move(text)});
}

void Jobs::on(const event::Broken& broken) {
  ended_ = true;
  emit(action::End{broken.trouble, broken.text});
}

}  // namespace hop::hopper::worker
