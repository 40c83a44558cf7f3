#include "hopper/coordinator.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/words.h"

namespace hop::hopper {

Coordinator::Coordinator(Itinerary itinerary, std::unique_ptr<Search> search, std::unique_ptr<Policy> policy,
                         std::span<const Record> records, CoordinatorOptions options)
    : ledger_(itinerary),
      talk_(std::move(search), options.check_clone),
      policy_(std::move(policy)),
      options_(std::move(options)),
      board_(ledger_.itinerary(), options_.queue_depth) {
  for (const Record& record : records) {
    const auto* ticked = std::get_if<record::Ticked>(&record);
    if (ticked != nullptr && !ledger_.refusal(record)) talk_.repeat(ledger_, *ticked);
    ledger_.apply(record);
  }
  for (std::uint32_t w = 0; w < itinerary.workers; ++w) workers_.emplace_back().id = WorkerId{w};
  flights_.resize(ledger_.models().size());
  for (const Model& model : ledger_.models()) {
    if (model.stored_as) pins_.push_back({model.id, *model.stored_as, model.version, *model.holder});
  }
  next_attempt_ = ledger_.reserved();  // an earlier life may have used all attempts that it reserved
}

std::vector<Action> Coordinator::step(const Event& event, Time now) {
  actions_.clear();
  looked_at_.clear();
  if (finished_) return {};
  now_ = now;
  std::visit([this](const auto& e) { on(e); }, event);
  if (started_) {
    note_absences();
    resolve();
    move_models();
    consult();
    refresh();
    schedule();
    reserve_attempts();
    collect();
    order_copies();
    send_home();
    finish();
  }
  check_after(event);
  return std::move(actions_);
}

void Coordinator::on(const event::Started& started) {
  started_ = true;
  for (WorkerState& w : workers_) w.away_since = now_;
  if (options_.copies > 1) emit(action::SetTimer{now_ + options_.move_after});
  for (const ModelId model : started.retry) {
    const bool is_quarantined = ledger_.model(model).status == Status::Quarantined;
    if (is_quarantined && !flight(model).settling) append_final(model, record::Retry{model});
  }
}

void Coordinator::on(const event::StopRequested&) {
  stopping_ = true;
  for (const WorkerState& w : workers_) {
    for (std::size_t i = 1; i < w.leases.size(); ++i) {
      emit(action::CancelLease{{w.id, w.incarnation}, w.leases[i].model, w.leases[i].attempt});
    }
  }
}

// The file counts although the worker that gave it may have died since, unless another one was asked: that one answers.
void Coordinator::on(const event::Collected& collected) {
  const Model& model = ledger_.model(collected.model);
  Flight& f = flight(collected.model);
  if (f.collecting && f.collecting != collected.peer) return;
  f.collecting.reset();
  if (f.settling || ledger_.owed_file(model) != collected.file) return;
  if (collected.file == StateFile::Last) f.loss.reset();  // no worker needs the state any more
  append_final(collected.model, record::Collected{collected.model, collected.bytes, collected.sha256});
}

// A worker whose life has ended since it was asked says nothing about the place where the state lies now.
void Coordinator::on(const event::CollectFailed& failed) {
  Flight& f = flight(ledger_.model(failed.model).id);
  if (f.collecting != failed.peer) return;
  f.collecting.reset();
  if (failed.failure == Failure::StateLost) {
    lose(failed.model, failed.text);
  } else if (failed.failure == Failure::StateDamaged) {
    spoil(failed.model, failed.text);
  } else {
    retry_later(f, ++f.unreachable);
  }
}

// Attempts are leased only after they are reserved on the disk. The next block is reserved in good time.
void Coordinator::reserve_attempts() {
  const std::uint32_t left = ledger_.reserved().value - next_attempt_.value;
  if (reserving_ || stopping_ || left >= std::max(options_.attempt_block / 2, 1U)) return;
  reserving_ = true;
  append(record::Reserve{Attempt{ledger_.reserved().value + options_.attempt_block}});
}

void Coordinator::grant(const Choice& choice) {
  const auto refuse = [&](const char* expected) {
    throw RunError("[run] policy \"" + std::string(policy_->name()) + "\": expected " + expected +
                   ", got the choice of model " + std::to_string(choice.model.value) + ", partition " +
                   std::to_string(choice.partition.value) + ", worker " + std::to_string(choice.worker.value));
  };
  if (choice.model.index() >= ledger_.models().size()) refuse("a model that there is");
  if (choice.worker.index() >= workers_.size()) refuse("a worker that there is");
  const Itinerary& itinerary = ledger_.itinerary();
  const Model& model = ledger_.model(choice.model);
  WorkerState& w = worker(choice.worker);
  if (!ready(model)) refuse("a model that is ready");
  if (std::ranges::find(model.candidates, choice.partition) == model.candidates.end()) {
    refuse("a partition that the model owes");
  }
  if (!itinerary.may_train(w.id, choice.partition)) refuse("a worker that may train the unit there");
  if (!w.takes_leases()) refuse("a living worker that stays");
  if (w.leases.size() >= options_.queue_depth) refuse("a worker with room for a lease");
  const Unit unit = model.next_unit();
  Lease lease{.model = model.id,
              .unit = unit,
              .epoch = itinerary.epoch(unit),
              .partition = choice.partition,
              .attempt = next_attempt_,
              .parent = model.digest,
              .source = {},
              .validate = itinerary.ends_epoch(unit),
              .trained_as = {},
              .stored_as = model.stored_as,
              .members = itinerary.members(choice.partition)};
  if (model.is_behind()) lease.arrivals = model.visit(unit).arrivals;
  if (const ModelId ancestor = ledger_.ancestor(model, unit); ancestor != model.id) {
    lease.trained_as = ancestor;
  }
  next_attempt_ = Attempt{next_attempt_.value + 1};
  flight(model.id).leased_to = w.id;
  flight(model.id).is_found_again = false;
  send_leases(lease, lease.has_group() ? lease.members : std::vector{w.id}, model.holder);
}

void Coordinator::send_leases(Lease lease, const std::vector<WorkerId>& members, std::optional<WorkerId> holder) {
  for (std::uint32_t rank = 0; rank < members.size(); ++rank) {
    WorkerState& w = worker(members[rank]);
    lease.rank = rank;
    lease.source = holder == w.id ? std::nullopt : holder;
    w.leases.push_back(lease);
    emit(action::SendLease{{w.id, w.incarnation}, lease});
  }
}

void Coordinator::collect() {
  if (stopping_) return;
  for (const ModelId id : owing_) {
    const Model& model = ledger_.model(id);
    const Flight& f = std::as_const(*this).flight(id);
    if (f.collecting || f.settling || f.loss || f.not_before > now_) continue;
    const WorkerState& holder = workers_[model.holder->index()];
    if (!holder.alive) continue;
    const Peer peer{holder.id, holder.incarnation};
    flight(id).collecting = peer;
    emit(action::SendCollect{peer, model.id, *ledger_.owed_file(model), model.version, model.digest});
  }
}

void Coordinator::finish() {
  if (!unsynced_.empty()) return;
  const bool complete = open_models_ == 0 && !ledger_.tick_is_over() && copying_.empty();  // copies are released then
  if (!complete && !((stopping_ || needs_search()) && is_idle())) return;
  finished_ = true;
  emit(action::Finish{complete ? Outcome::Completed : Outcome::Interrupted});
}

bool Coordinator::is_idle() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& w) { return w.leases.empty(); }) &&
         std::none_of(flights_.begin(), flights_.end(), [](const auto& f) { return f.collecting.has_value(); });
}

// Appends a record, other than a commit, that decides the fate of a model. A model has at most one on its way.
void Coordinator::append_final(ModelId model, Record record) {
  flight(model).settling = true;
  append(std::move(record));
}

void Coordinator::retry_later(Flight& f, std::uint32_t failures) {
  f.not_before = now_ + options_.retry_delay * (1 << std::min(failures - 1, 6U));
  emit(action::SetTimer{f.not_before});
}

// A record that contradicts the journal would make the run directory unusable, so it is better to stop here. At most
// one record of a model is on its way to the disk, and records of other models do not affect it. So if the ledger
// accepts the record now, it will accept it when it is durable.
std::uint64_t Coordinator::append(Record record, std::optional<Peer> waiting) {
  if (const auto why = ledger_.refusal(record)) throw Error("[coordinator] a record that the journal refuses: " + *why);
  return append_unchecked(std::move(record), waiting);
}

// A reason is for people. A search, a stopping rule or an exception of the application may give megabytes of text,
// which no record takes.
std::uint64_t Coordinator::append_unchecked(Record record, std::optional<Peer> waiting) {
  const auto shorten_reason = [](auto& r) {
    constexpr std::size_t kMaxBytes = 2000;
    if constexpr (requires { r.reason; }) r.reason = printable(r.reason, kMaxBytes);
  };
  std::visit(shorten_reason, record);
  unsynced_.push_back({std::move(record), waiting});
  const std::uint64_t sequence = ledger_.sequence() + unsynced_.size();
  emit(action::Append{sequence, unsynced_.back().record});
  return sequence;
}

const record::Commit& Coordinator::unsynced_commit(std::uint64_t sequence) const {
  return std::get<record::Commit>(unsynced_[sequence - ledger_.sequence() - 1].record);
}

}  // namespace hop::hopper
