#include "hopper/detail/narrator.h"

#include <utility>

namespace hop::hopper {
namespace {

std::string name_of(WorkerId worker) { return "worker " + std::to_string(worker.value); }
std::string name_of(ModelId model) { return "model " + std::to_string(model.value); }

// Epochs count from 1 for people.
std::string name_of(const Lease& unit) {
  return name_of(unit.model) + "'s unit of epoch " + std::to_string(number_of(unit.epoch)) + " on partition " +
         std::to_string(unit.partition.value);
}

// The trouble may pass. If it does not, the state counts as lost, and another line says so.
std::string unreadable(ModelId model, const std::string& why) {
  return name_of(model) + ": its state could not be read and is asked for again: " + why;
}

}  // namespace

Narrator::Lines Narrator::hear(const Event& event) const {
  const auto* failed = std::get_if<event::UnitFailed>(&event);
  if (failed != nullptr && failed->failure == Failure::StateDamaged) return {unreadable(failed->model, failed->text)};
  if (failed != nullptr && failed->failure == Failure::SourceGone) {
    return {name_of(failed->peer.worker) + " stops waiting for the state of " + name_of(failed->model) + ": " +
            failed->text};
  }
  const auto* collect = std::get_if<event::CollectFailed>(&event);
  if (collect != nullptr && collect->failure == Failure::StateDamaged)
    return {unreadable(collect->model, collect->text)};
  return {};
}

Narrator::Lines Narrator::tell(const Action& action, const Ledger& ledger, int process) {
  return std::visit([&](const auto& a) { return tell(a, ledger, process); }, action);
}

std::optional<WorkerId> Narrator::subject(const Action& action) {
  if (const auto* sent = std::get_if<action::SendLease>(&action)) return sent->peer.worker;
  const auto* append = std::get_if<action::Append>(&action);
  const auto* commit = append != nullptr ? std::get_if<record::Commit>(&append->record) : nullptr;
  return commit != nullptr ? std::optional(commit->worker) : std::nullopt;
}

Narrator::Lines Narrator::tell(const action::Append& append, const Ledger& ledger, int process) {
  return std::visit([&](const auto& record) { return write(record, ledger, process); }, append.record);
}

Narrator::Lines Narrator::tell(const action::SendLease& sent, const Ledger& ledger, int process) {
  const Lease& lease = sent.lease;
  Lines lines = tell_fate(sent.peer.worker, lease.model, lease.unit, "redoes", process);
  return lines.empty() ? tell_takeover(sent, ledger) : lines;
}

// ---- records --------------------------------------------------------------------------------------------------------

Narrator::Lines Narrator::write(const record::Commit& commit, const Ledger&, int process) {
  return tell_fate(commit.worker, commit.model, commit.unit, "still had the result of", process);
}

// A model is set aside: no worker takes its unit over. If a lost worker is the reason, this line waits until the loss
// has been told, which waits for the end of the worker's life.
Narrator::Lines Narrator::write(const record::Quarantine& quarantine, const Ledger&, int) {
  const std::string line = name_of(quarantine.model) + " is set aside: " + quarantine.reason;
  bool is_told_later = false;
  for (Story& story : stories_) {
    if (!story.in_hand || story.in_hand->model != quarantine.model) continue;
    if (story.ends && !is_told_later) {
      story.epilogue = line;
      is_told_later = true;
    } else if (!story.ends) {
      story.in_hand.reset();
    }
  }
  return is_told_later ? Lines() : Lines{line};
}

// A model goes back. Its units keep their results; only time is lost.
Narrator::Lines Narrator::write(const record::Rollback& rollback, const Ledger& ledger, int) const {
  const std::uint32_t units = ledger.model(rollback.model).version - rollback.version;
  const std::string from = rollback.worker
                               ? "version " + to_string(rollback.version) + " on " + name_of(*rollback.worker)
                               : "its initial state";
  return {name_of(rollback.model) + ": " + rollback.reason + "; " + std::to_string(units) +
          (units == 1 ? " unit is" : " units are") + " trained again, from " + from};
}

// A model goes on from its copy. Nothing is trained again.
Narrator::Lines Narrator::write(const record::Moved& moved, const Ledger&, int) const {
  return {name_of(moved.model) + ": " + moved.reason + "; it goes on from its copy on " + name_of(moved.worker)};
}

Narrator::Lines Narrator::write(const record::Retry& retry, const Ledger&, int) const {
  return {name_of(retry.model) + " trains on: it is no longer set aside"};
}

// Warns once per run: results.json has every worker's change.
Narrator::Lines Narrator::write(const record::Arithmetic& now, const Ledger& ledger, int) {
  const std::string& before = ledger.arithmetic()[now.worker.index()];
  if (before.empty() || std::exchange(told_of_change_, true)) return {};
  return {"warning: " + name_of(now.worker) + " computes with " + now.text + ", and before with " + before +
          ": bits may differ from those of a run that went through (arithmetic_changes in results.json)"};
}

// ---- losses ---------------------------------------------------------------------------------------------------------

void Narrator::lost(WorkerId worker, LostLife life) {
  Story& story = stories_[worker.index()];
  story.in_hand = life.in_hand;
  story.life = std::move(life);
  story.ends = true;
}

// If the trouble showed first as something else (silence, a broken connection), the line names that, too.
Narrator::Lines Narrator::ended(WorkerId worker, const std::string& how, bool run_is_over) {
  Story& story = stories_[worker.index()];
  story.ends = false;
  if (run_is_over && story.epilogue.empty()) return {};
  std::string when = " before it was ready";
  if (story.life.was_ready) {
    when = story.in_hand ? " in the middle of " + name_of(*story.in_hand) : " between two units";
  }
  const std::string cause = story.life.why != how ? " (" + story.life.why + ")" : "";
  return conclude(story, name_of(worker) + " was lost" + when + ": " + how + cause);
}

// It is no loss, and the line says what the run waits for, if anything.
Narrator::Lines Narrator::left(WorkerId worker, bool handed_over, const Ledger& ledger, bool run_is_over) {
  Story& story = stories_[worker.index()];
  story.ends = false;
  if (run_is_over && story.epilogue.empty()) return {};
  std::string line = name_of(worker) + " has left";
  if (story.in_hand) line += " in the middle of " + name_of(*story.in_hand);
  if (!handed_over) line += " before its states were handed over (" + story.life.why + ")";
  std::string partitions;
  for (std::uint32_t q = 0; q < ledger.itinerary().partitions; ++q) {
    if (ledger.itinerary().is_only_holder(worker, PartitionId(q))) partitions += " " + std::to_string(q);
  }
  line += partitions.empty() ? "; the others go on" : "; the run waits for another one with partitions" + partitions;
  return conclude(story, std::move(line));
}

// A line that had to wait for this one follows it.
Narrator::Lines Narrator::conclude(Story& story, std::string line) {
  Lines lines{std::move(line)};
  if (story.epilogue.empty()) return lines;
  lines.push_back(std::exchange(story.epilogue, {}));
  story.in_hand.reset();
  return lines;
}

// If a partition has an owner, only the owner can take the unit over, in its next life.
Narrator::Lines Narrator::tell_fate(WorkerId worker, ModelId model, Unit unit, const std::string& verb, int process) {
  std::optional<Lease>& in_hand = stories_[worker.index()].in_hand;
  if (!in_hand || in_hand->model != model || in_hand->unit != unit) return {};
  const std::string life = process != 0 ? " (process " + std::to_string(process) + ")" : "";
  Lines lines{name_of(worker) + ", started again" + life + ", " + verb + " " + name_of(*in_hand)};
  in_hand.reset();
  return lines;
}

// Another worker redoes a unit that any worker may train. If the end of the lost life is not known yet, this line waits
// until the loss has been told.
Narrator::Lines Narrator::tell_takeover(const action::SendLease& sent, const Ledger& ledger) {
  if (ledger.itinerary().only_worker(sent.lease.partition)) return {};
  for (std::size_t w = 0; w < stories_.size(); ++w) {
    Story& story = stories_[w];
    const std::optional<Lease>& lost = story.in_hand;
    if (!lost || lost->model != sent.lease.model || lost->unit != sent.lease.unit) continue;
    std::string line = name_of(sent.peer.worker) + " redoes " + name_of(sent.lease) + ", which " +
                       name_of(WorkerId(static_cast<std::uint32_t>(w))) + " had in hand";
    if (story.ends) {
      story.epilogue = std::move(line);
      return {};
    }
    story.in_hand.reset();
    return {std::move(line)};
  }
  return {};
}

}  // namespace hop::hopper
