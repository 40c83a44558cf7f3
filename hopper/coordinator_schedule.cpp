// The view of the policy, and its choices. Each event updates the board for the models that it touched. To build the
// view anew for every event would cost a walk over all models and all workers.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "hopper/coordinator.h"

namespace hop::hopper {

bool Coordinator::ready(const Model& model) const {
  const Flight& f = flight(model.id);
  if (f.leased_to || f.committing || f.settling || f.loss || f.fault || f.not_before > now_) return false;
  const bool within_reach = !model.holder || workers_[model.holder->index()].alive;
  return within_reach && ledger_.may_train(model) && !waits_for_search(model);
}

std::optional<WorkerId> Coordinator::busy_at(const Model& model) const {
  const Flight& f = flight(model.id);
  return f.committing ? unsynced_commit(*f.committing).worker : f.leased_to;
}

// The members of a group that waits for one of them are leased nothing else, or it would wait for ever. All others are.
void Coordinator::schedule() {
  if (stopping_) return;
  std::vector<WorkerId> waiting, rooms;
  while (next_attempt_ < ledger_.reserved()) {
    ScheduleView view = board_.view();
    if (!waiting.empty()) {
      rooms.clear();
      std::ranges::copy_if(view.rooms, std::back_inserter(rooms),
                           [&](WorkerId id) { return std::ranges::find(waiting, id) == waiting.end(); });
      view.rooms = rooms;
    }
    if (view.ready.empty() || view.rooms.empty()) return;
    const auto choice = policy_->next(view);
    if (!choice && !waiting.empty()) return;
    if (!choice) {
      // Without a lease, a record, a timer or a worker on its way, nothing would ever ask the policy again.
      if (!unsynced_.empty() || !delayed_.empty() || !is_idle()) return;
      if (!std::ranges::all_of(workers_, &WorkerState::takes_leases)) return;
      throw RunError("[run] policy \"" + std::string(policy_->name()) + "\": expected a choice, got none, although " +
                     std::to_string(view.ready.size()) + " models are ready, " + std::to_string(view.rooms.size()) +
                     " workers have room and nothing is in training");
    }
    const std::vector<WorkerId> members = ledger_.itinerary().members(choice->partition);
    if (!are_free(members)) {
      if (std::ranges::find(waiting, choice->worker) != waiting.end()) return;  // a policy that looks at no rooms
      waiting.insert(waiting.end(), members.begin(), members.end());
      continue;
    }
    grant(*choice);
    for (const WorkerId member : members) show(worker(member));
    show(worker(choice->worker));
    show_touched();
  }
}

bool Coordinator::are_free(const std::vector<WorkerId>& members) const {
  return std::ranges::all_of(members, [this](WorkerId id) {
    const WorkerState& w = workers_[id.index()];
    return w.takes_leases() && w.leases.empty();
  });
}

// Brings the board and the books beside it up to date.
void Coordinator::refresh() {
  for (const WorkerId id : touched_workers_) {
    if (workers_[id.index()].takes_leases() != board_.worker(id).alive)
      touch_held_by(id);  // in or out of reach from now on
    show(workers_[id.index()]);
  }
  touched_workers_.clear();
  for (const ModelId model : std::exchange(delayed_, {})) touch(model);
  for (std::size_t m = board_.models(); m < flights_.size(); ++m) touch(ModelId(static_cast<std::uint32_t>(m)));
  show_touched();
}

void Coordinator::touch(ModelId model) {
  Flight& f = flights_[model.index()];
  if (f.touched) return;
  f.touched = true;
  touched_.push_back(model);
}

void Coordinator::touch_held_by(WorkerId worker) {
  for (const Model& model : ledger_.models()) {
    if (model.holder == worker) touch(model.id);
  }
}

// A member of a group has no room for another lease.
void Coordinator::show(const WorkerState& w) {
  const bool is_member = std::ranges::any_of(w.leases, &Lease::has_group);
  board_.set(w.id, w.takes_leases(), is_member ? options_.queue_depth : static_cast<std::uint32_t>(w.leases.size()));
}

void Coordinator::show_touched() {
  while (!touched_.empty()) {
    std::vector<ModelId> touched = std::exchange(touched_, {});
    std::sort(touched.begin(), touched.end());  // new models join the board in order
    for (const ModelId model : touched) show(ledger_.model(model));
    looked_at_.insert(looked_at_.end(), touched.begin(), touched.end());
  }
}

void Coordinator::show(const Model& model) {
  Flight& f = flights_[model.id.index()];
  f.touched = false;
  if (f.not_before > now_ || f.copy_not_before > now_) delayed_.push_back(model.id);
  const bool is_open = model.status != Status::Quarantined && !model.file;
  if (is_open != f.open) open_models_ += is_open ? 1 : std::size_t{0} - 1;
  f.open = is_open;
  if (ledger_.owed_file(model)) {
    owing_.insert(model.id);
  } else {
    owing_.erase(model.id);
  }
  if (needs_copy(model)) {
    uncopied_.insert(model.id);
  } else {
    uncopied_.erase(model.id);
  }
  measure(model, f);
  const auto units = static_cast<double>(model.own_units());
  board_.set({model.id, ready(model), ledger_.units_left(model),
              model.seconds > 0 ? model.seconds / units : mean_seconds_, model.candidates, model.holder, busy_at(model),
              model.next_unit()});
}

// The mean over all units stands for models that have trained none yet. It is taken anew whenever twice as many units
// are done, so that those models are looked at a few times only.
void Coordinator::measure(const Model& model, Flight& f) {
  seconds_ += model.seconds - f.seconds;
  units_ += model.own_units() - f.units;
  f.seconds = model.seconds;
  f.units = model.own_units();
  if (units_ < 2 * mean_of_units_ || !(seconds_ > 0)) return;
  mean_of_units_ = units_;
  mean_seconds_ = seconds_ / static_cast<double>(units_);
  for (const Model& other : ledger_.models()) {
    if (other.own_units() == 0) touch(other.id);
  }
}

}  // namespace hop::hopper
