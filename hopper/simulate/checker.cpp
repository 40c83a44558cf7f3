// Long because it judges every promise of the coordinator, one by one.
#include "hopper/simulate/checker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "hopper/simulate/toy_model.h"

namespace hop::hopper::simulate {
namespace {

// The order of 0 .. n-1 by repeated splitting into even and odd places, without numbers that are no partition.
std::vector<std::uint32_t> spread(std::uint32_t power, std::uint32_t n) {
  std::vector<std::uint32_t> order{0};
  for (std::uint32_t step = power / 2; step > 0; step /= 2) {
    const std::vector<std::uint32_t> so_far = order;
    for (const std::uint32_t place : so_far) order.push_back(place + step);
  }
  std::erase_if(order, [&](std::uint32_t place) { return place >= n; });
  return order;
}

std::vector<std::uint32_t> starts_of(std::uint32_t n) {
  std::uint32_t power = 1;
  while (power < n) power *= 2;
  return spread(power, n);
}

}  // namespace

Checker::Checker(const Scenario& scenario, Holds holds, Lost lost)
    : scenario_(scenario),
      calm_(calm_run(scenario)),
      barrier_(make_search(scenario)),
      holds_(std::move(holds)),
      lost_(std::move(lost)),
      starts_(starts_of(has_tasks(scenario) ? scenario.itinerary.partitions : units_per_epoch(scenario))),
      units_per_epoch_(units_per_epoch(scenario)) {}

void Checker::require(bool holds, const std::string& promise, ModelId model) const {
  if (!holds) throw Violation(promise + " (model " + std::to_string(model.value) + ")");
}

// ---- what goes in ---------------------------------------------------------------------------------------------------

void Checker::coordinator_starts() { stopping_ = false; }

// The return of a cured model changes the calls that the search hears. So the calls are not compared then.
std::unique_ptr<Search> Checker::search() {
  if (is_cured_later()) return make_search(scenario_);
  return witness(make_search(scenario_), calm_.calls, heard_);
}

void Checker::coordinator_died(std::uint64_t records) {
  is_durable(records);
  records_.resize(records);
  written_ = on_disk_;
  leases_.clear();
  members_.clear();
  owed_cancellations_.clear();
  connected_.clear();
  alive_.clear();
  known_.clear();
  missed_.clear();
  collecting_.clear();
  copies_.clear();
  sources_.clear();
  told_of_gone_.clear();
  leaving_.clear();
  for (const auto& [model, chain] : on_disk_) {  // what the journal says holds until a worker is heard of
    if (is_initial(chain.version) || chain.stored_as || chain.collected) continue;
    const record::Commit& last = chain.commits[before(chain.version).index()];
    known_[chain.holder].push_back({model, chain.version, {}, last.attempt, {}, last.digest, {}});
  }
}

void Checker::before_step(const Event& event) {
  std::visit([this](const auto& e) { hears(e); }, event);
}

void Checker::hears(const event::WorkerUp& up) {
  Incarnation& known = connected_[up.peer.worker];
  if (up.peer.incarnation <= known) return;
  leave(up.peer.worker);
  known = up.peer.incarnation;
  alive_.insert(up.peer.worker);
  for (const HeldState& h : up.held) announced_.insert({up.peer.worker, h.model, h.version, h.attempt, h.digest});
  known_[up.peer.worker] = up.held;
  const auto offers = [&](ModelId model, Version version) {
    return std::ranges::any_of(up.held, [&](const HeldState& h) { return h.model == model && h.version == version; });
  };
  std::erase_if(missed_, [&](const auto& state) {
    const auto& [worker, model, version] = state;
    return worker == up.peer.worker && offers(model, version);
  });
  for (const auto& [model, chain] : written_) {
    if (is_initial(chain.version) || chain.holder != up.peer.worker) continue;
    const ModelId stored_as = chain.stored_as.value_or(model);
    if (!offers(stored_as, chain.version)) note_loss(up.peer.worker, stored_as, chain.version);
  }
}

// The worker may get the state once more, as a copy, before the coordinator can hear of it.
void Checker::note_loss(WorkerId worker, ModelId stored_as, Version version) {
  if (lost_(worker, stored_as, version)) missed_.emplace(worker, stored_as, version);
}

bool Checker::is_lost(const Chain& chain, ModelId model) const {
  const ModelId stored_as = chain.stored_as.value_or(model);
  return lost_(chain.holder, stored_as, chain.version) || missed_.contains({chain.holder, stored_as, chain.version});
}

void Checker::hears(const event::WorkerDown& down) {
  if (connected_[down.peer.worker] == down.peer.incarnation) leave(down.peer.worker);
}

// The file replaces an older one of its name. A repeated message may come after a copy has replaced the file, or after
// the worker has said that it is gone.
void Checker::hears(const event::Result& result) {
  end_lease(result.peer, result.model, result.attempt, true);
  announced_.insert({result.peer.worker, result.model, after(result.unit), result.attempt, result.digest});
  const bool is_late = std::ranges::any_of(known_[result.peer.worker], [&](const HeldState& h) {
    return h.model == result.model && h.version == after(result.unit) && h.attempt > result.attempt;
  });
  const auto chain = written_.find(result.model);
  const bool is_repeated = chain != written_.end() && chain->second.knows(result.unit, result.attempt);
  if (is_late || (is_repeated && missed_.contains({result.peer.worker, result.model, after(result.unit)}))) return;
  forget(result.peer.worker, result.model, after(result.unit));
  known_[result.peer.worker].push_back(
      {result.model, after(result.unit), {}, result.attempt, {}, result.digest, result.metrics});
}

void Checker::hears(const event::UnitFailed& failed) {
  const auto lease = leases_.find(failed.model);
  const bool is_it = lease != leases_.end() && lease->second.second.attempt == failed.attempt;
  if (is_it && failed.failure == Failure::StateLost) {
    const Lease& l = lease->second.second;
    note_loss(l.source.value_or(lease->second.first.worker), l.parent_owner(), before(l.unit));
  }
  end_lease(failed.peer, failed.model, failed.attempt, false);
}

void Checker::hears(const event::Confirmed& confirmed) {
  const auto lease = leases_.find(confirmed.model);
  if (lease == leases_.end() || lease->second.second.attempt != confirmed.attempt) return;
  auto& members = members_[confirmed.model];
  const auto member = members.find(confirmed.peer.worker);
  if (member != members.end() && member->second == confirmed.peer) members.erase(member);
}

void Checker::hears(const event::Collected& collected) {
  fetched_[collected.model] = collected.sha256;
  end_collection(collected.model, collected.peer);
}

void Checker::hears(const event::CollectFailed& failed) {
  const Chain& chain = written_[failed.model];
  if (failed.failure == Failure::StateLost && chain.holder == failed.peer.worker) {
    note_loss(chain.holder, chain.stored_as.value_or(failed.model), chain.version);
  }
  end_collection(failed.model, failed.peer);
}

void Checker::end_collection(ModelId model, const Peer& peer) {
  const auto found = collecting_.find(model);
  if (found != collecting_.end() && found->second == peer) collecting_.erase(found);
}

// A repeated message, or one from a life that has ended, counts no more.
void Checker::hears(const event::Copied& copied) {
  const auto found = copies_.find(copied.model);
  if (found == copies_.end() || found->second.first != copied.peer) return;
  const Copy copy = found->second.second;
  if (copy.attempt != copied.attempt) return;
  copies_.erase(found);
  require(holds_(copied.peer.worker, copy.model, copy.version, copy.digest), "a copy that is told lies on its disk",
          copy.model);
  missed_.erase({copied.peer.worker, copy.model, copy.version});
  known_[copied.peer.worker].push_back({copy.model, copy.version, {}, copy.attempt, {}, copy.digest, {}});
}

void Checker::hears(const event::CopyFailed& failed) {
  const auto found = copies_.find(failed.model);
  const bool is_it = found != copies_.end() && found->second.first == failed.peer;
  if (is_it && found->second.second.attempt == failed.attempt) copies_.erase(found);
}

void Checker::hears(const event::WorkerLeaves& leaves) {
  const WorkerId worker = leaves.peer.worker;
  if (alive_.contains(worker) && connected_[worker] == leaves.peer.incarnation) leaving_.insert(worker);
}

// A result ends the lease of its lead, another end that of any member.
void Checker::end_lease(const Peer& peer, ModelId model, Attempt attempt, bool is_done) {
  const auto lease = leases_.find(model);
  if (lease == leases_.end() || lease->second.second.attempt != attempt) return;
  const auto& members = members_[model];
  const auto member = members.find(peer.worker);
  const bool is_member = member != members.end() && member->second == peer;
  if (lease->second.first == peer || (is_member && !is_done)) end_lease(model, peer.worker, is_done);
}

// The lease of a model ends once, for all members: those that still train must hear of it.
void Checker::end_lease(ModelId model, std::optional<WorkerId> by, bool is_done) {
  const auto lease = leases_.extract(model);
  const auto members = members_.extract(model);
  if (!lease || is_done) return;
  const Lease& held = lease.mapped().second;
  const auto owe = [&](WorkerId worker) {
    if (worker != by) owed_cancellations_.emplace(worker, held.attempt);
  };
  if (!members) return;
  for (const auto& [worker, peer] : members.mapped()) owe(worker);
  if (held.has_group()) owe(lease.mapped().first.worker);
}

void Checker::leave(WorkerId worker) {
  alive_.erase(worker);
  leaving_.erase(worker);
  std::erase_if(copies_, [&](const auto& entry) { return entry.second.first.worker == worker; });
  for (const Lease& lease : leases_of(worker)) end_lease(lease.model, worker, false);
  std::erase_if(collecting_, [&](const auto& entry) { return entry.second.worker == worker; });
}

bool Checker::is_done(ModelId model, Unit unit) const {
  const auto found = on_disk_.find(model);
  return found != on_disk_.end() && unit.index() < found->second.commits.size();
}

bool Checker::is_wrong(const HeldState& state) const {
  const Unit unit = before(state.version);
  return is_done(state.model, unit) && on_disk_.at(state.model).commits[unit.index()].digest != state.digest;
}

void Checker::forget(WorkerId worker, ModelId model, Version version) {
  std::erase_if(known_[worker], [&](const HeldState& h) { return h.model == model && h.version == version; });
}

std::vector<Lease> Checker::leases_of(WorkerId worker) const {
  std::vector<Lease> found;
  for (const auto& [model, entry] : leases_) {
    const auto members = members_.find(model);
    const bool is_member = members != members_.end() && members->second.contains(worker);
    if (entry.first.worker == worker || is_member) found.push_back(entry.second);
  }
  return found;
}

// ---- what comes out -------------------------------------------------------------------------------------------------

void Checker::sees(const Action& action) {
  std::visit([this](const auto& a) { judge(a); }, action);
}

void Checker::judge(const action::Append& append) {
  require(append.sequence == records_.size() + 1, "records are numbered without gaps", {});
  if (const auto* commit = std::get_if<record::Commit>(&append.record)) judge_commit(*commit);
  if (const auto* rollback = std::get_if<record::Rollback>(&append.record)) judge_rollback(*rollback);
  if (const auto* moved = std::get_if<record::Moved>(&append.record)) judge_move(*moved);
  if (const auto* collected = std::get_if<record::Collected>(&append.record)) {
    require(fetched_.contains(collected->model) && fetched_[collected->model] == collected->sha256,
            "only a file that is there is called collected", collected->model);
  }
  if (const auto* quarantine = std::get_if<record::Quarantine>(&append.record)) {
    require(scenario_.poison == quarantine->model, "no model is given up for what its hosts did", quarantine->model);
    require(!leases_.contains(quarantine->model), "a model is quarantined when its lease has ended", quarantine->model);
  }
  records_.push_back(append.record);
  write_down(written_, append.record);
}

void Checker::write_down(Books& books, const Record& record) const {
  if (const auto* commit = std::get_if<record::Commit>(&record)) {
    Chain& chain = books[commit->model];
    const std::optional<Epoch> best = best_epoch(chain);
    chain.commits.resize(std::max<std::size_t>(chain.commits.size(), number_of(commit->unit)));
    chain.commits[commit->unit.index()] = *commit;
    chain.version = after(commit->unit);
    chain.holder = commit->worker;
    chain.stored_as.reset();
    if (best_epoch(chain) != best) chain.best.reset();
    ++chain.records;
  } else if (const auto* rollback = std::get_if<record::Rollback>(&record)) {
    Chain& chain = books[rollback->model];
    chain.version = rollback->version;
    chain.stored_as.reset();
    if (is_initial(rollback->version)) {
      chain.best.reset();
    } else {
      chain.holder = *rollback->worker;
      chain.commits[before(rollback->version).index()].attempt = rollback->attempt;
    }
    ++chain.records;
  } else if (const auto* moved = std::get_if<record::Moved>(&record)) {
    Chain& chain = books[moved->model];
    chain.holder = moved->worker;
    chain.stored_as.reset();
    chain.commits[before(moved->version).index()].attempt = moved->attempt;
    ++chain.records;
  } else if (const auto* file = std::get_if<record::Collected>(&record)) {
    Chain& chain = books[file->model];
    (owes_best(chain) ? chain.best : chain.collected) = file->sha256;
    ++chain.records;
  } else if (const auto* quarantine = std::get_if<record::Quarantine>(&record)) {
    books[quarantine->model].quarantined = true;
    ++books[quarantine->model].records;
  } else if (const auto* retry = std::get_if<record::Retry>(&record)) {
    books[retry->model].quarantined = false;
    ++books[retry->model].records;
  } else if (const auto* ticked = std::get_if<record::Ticked>(&record)) {
    decide(books, *ticked);
  } else if (std::holds_alternative<record::Asked>(record) || std::holds_alternative<record::Ordered>(record)) {
    books.undecided.push_back(record);
  }
}

void Checker::decide(Books& books, const record::Ticked& ticked) const {
  const std::vector<Record> all = std::exchange(books.undecided, {});
  for (std::size_t i = all.size() - ticked.decisions; i < all.size(); ++i) {
    if (const auto* asked = std::get_if<record::Asked>(&all[i])) {
      give_birth(books, *asked);
      continue;
    }
    const auto& order = std::get<record::Ordered>(all[i]);
    Chain& chain = books.at(order.model);
    if (order.kind == SearchOrder::Kind::SetEpochs) {
      chain.goal = order.epochs;
      continue;
    }
    chain.paused = order.kind == SearchOrder::Kind::Pause;
    chain.stopped = order.kind == SearchOrder::Kind::Stop;
    if (order.kind == SearchOrder::Kind::Resume) chain.born = ticked.tick + 1 - epochs_done(chain);
  }
  books.ticks = ticked.tick + 1;
}

void Checker::give_birth(Books& books, const record::Asked& asked) const {
  Chain chain;
  chain.goal = asked.epochs;
  chain.born = books.ticks + 1 - (asked.parent ? number_of(asked.parent->epoch) : 0);
  if (asked.parent) {
    const Chain& parent = books.at(asked.parent->model);
    chain.parent = asked.parent;
    chain.inherited = number_of(asked.parent->epoch) * units_per_epoch_;
    chain.commits.assign(parent.commits.begin(), parent.commits.begin() + chain.inherited);
    if (asked.place) {
      chain.version = Version{chain.inherited};
      chain.holder = asked.place->worker;
      const bool is_lent_on = parent.stored_as && parent.version == Version{chain.inherited};
      chain.stored_as = is_lent_on ? parent.stored_as : asked.parent->model;
    }
  }
  books[asked.model] = std::move(chain);
}

std::uint32_t Checker::epochs_done(const Chain& chain) const {
  return static_cast<std::uint32_t>(chain.commits.size()) / units_per_epoch_;
}

Epoch Checker::epoch_of(Unit unit) const { return Epoch{unit.value / units_per_epoch_}; }

// The first partition of a unit in `Fixed` order.
PartitionId Checker::first_partition(ModelId who, Unit unit) const {
  if (has_replicas(scenario_)) return PartitionId{0};
  const auto places = static_cast<std::uint32_t>(starts_.size());
  const std::uint32_t step = has_tasks(scenario_) ? 0 : unit.value;
  return PartitionId{(starts_[who.value % places] + step) % places * scenario_.group};
}

// Those of a unit: all of them, or a block, of which the last one may be short.
std::uint32_t Checker::passes_of(PartitionId first) const {
  const std::uint32_t partitions = scenario_.itinerary.partitions;
  return has_tasks(scenario_) ? partitions : std::min(scenario_.group, partitions - first.value);
}

// Trains over the partitions of the unit, one after the other.
Digest Checker::train(Digest weights, ModelId who, Unit unit, PartitionId first) const {
  const std::uint32_t partitions = scenario_.itinerary.partitions;
  for (std::uint32_t i = 0; i < passes_of(first); ++i) {
    weights = train_toy(weights, who, epoch_of(unit), PartitionId{(first.value + i) % partitions});
  }
  return weights;
}

bool Checker::has_ended(const Chain& chain) const {
  const bool diverged = !chain.commits.empty() && !std::isfinite(chain.commits.back().metrics.train_loss);
  return diverged || chain.stopped || epochs_done(chain) == chain.goal ||
         chain.paused;  // paused models are stopped when no other model trains
}

// The first of the epochs of its own with the highest accuracy, by the commits of their last units.
std::optional<Epoch> Checker::best_epoch(const Chain& chain) const {
  if (!scenario_.itinerary.keep_best) return std::nullopt;
  std::optional<Epoch> best;
  double highest = -1;
  for (std::uint32_t e = chain.inherited / units_per_epoch_; e < epochs_done(chain); ++e) {
    const UnitMetrics& last = chain.commits[(e + 1) * units_per_epoch_ - 1].metrics;
    if (!std::isfinite(last.train_loss) || *last.valid_accuracy <= highest) continue;
    best = Epoch{e};
    highest = *last.valid_accuracy;
  }
  return best;
}

bool Checker::owes_best(const Chain& chain) const {
  const std::optional<Epoch> best = best_epoch(chain);
  return best && !chain.best && !chain.quarantined && chain.version == Version{number_of(*best) * units_per_epoch_};
}

ModelId Checker::ancestor(ModelId model, Unit unit) const {
  while (unit.value < written_.at(model).inherited) model = written_.at(model).parent->model;
  return model;
}

void Checker::judge_commit(const record::Commit& commit) {
  const Chain& chain = written_[commit.model];
  require(before(commit.unit) >= chain.version, "each unit is committed once", commit.model);
  require(before(commit.unit) == chain.version, "units are committed in order", commit.model);
  require(chain.records == on_disk_[commit.model].records, "a commit waits for the one before it to be durable",
          commit.model);
  require(!chain.quarantined && !chain.collected, "nothing is committed after the end", commit.model);
  require(!owes_best(chain), "nothing is committed before the best state is kept", commit.model);
  const Digest parent = chain.digest();
  require(commit.parent == parent, "a commit's parent is the commit before it", commit.model);
  judge_visit(commit.model, commit.unit, commit.partition, commit.worker);
  const ModelId trained_as = ancestor(commit.model, commit.unit);
  require(commit.digest == train(parent, trained_as, commit.unit, commit.partition),
          "what is committed was trained from the parent on the partition that is named", commit.model);
  require(commit.unit.index() >= chain.commits.size() || commit.digest == chain.commits[commit.unit.index()].digest,
          "what is trained again gives the same digest", commit.model);
  require(announced_.contains({commit.worker, commit.model, after(commit.unit), commit.attempt, commit.digest}),
          "what is committed was announced by its worker", commit.model);
  require(holds_(commit.worker, commit.model, after(commit.unit), commit.digest),
          "what is committed lies on the disk of its worker", commit.model);
  require(!leases_.contains(commit.model), "a unit is committed when its lease has ended", commit.model);
  missed_.erase({commit.worker, commit.model, after(commit.unit)});
}

void Checker::judge_rollback(const record::Rollback& rollback) {
  const Chain& chain = written_.at(rollback.model);
  require(rollback.version < chain.version, "a rollback goes back", rollback.model);
  require(chain.records == on_disk_.at(rollback.model).records, "one record of a model at a time", rollback.model);
  require(!chain.quarantined && !chain.collected, "nothing is rolled back after the end", rollback.model);
  require(!leases_.contains(rollback.model), "a model rolls back when its lease has ended", rollback.model);
  require(is_lost(chain, rollback.model), "only what is lost is rolled back", rollback.model);
  require(connected_.size() == scenario_.itinerary.workers, "a rollback waits until all were heard of", rollback.model);
  require(!copies_.contains(rollback.model), "a rollback waits for the copy on its way", rollback.model);
  for (const auto& [worker, states] : known_) {
    const bool may_be_copy = scenario_.options.copies > 1 && worker != chain.holder;
    for (const HeldState& h : states) {
      const bool is_left = h.model == rollback.model && h.version > rollback.version &&
                           (h.version < chain.version || (may_be_copy && h.version == chain.version)) &&
                           h.digest == chain.commits[before(h.version).index()].digest;
      require(!is_left, "a rollback goes to the newest version that is left", rollback.model);
    }
  }
  if (!chain.stored_as) forget(chain.holder, rollback.model, chain.version);
}

bool Checker::is_lost_or_away(const Chain& chain, ModelId model) const {
  return is_lost(chain, model) || !alive_.contains(chain.holder) || leaving_.contains(chain.holder);
}

void Checker::judge_move(const record::Moved& moved) {
  const Chain& chain = written_.at(moved.model);
  require(moved.version == chain.version && !is_initial(moved.version), "a model goes on with its newest state",
          moved.model);
  require(chain.records == on_disk_.at(moved.model).records, "one record of a model at a time", moved.model);
  require(!chain.quarantined && !chain.collected, "nothing moves after the end", moved.model);
  require(!leases_.contains(moved.model), "a model moves when its lease has ended", moved.model);
  require(is_lost_or_away(chain, moved.model), "a model moves when its holder lost the state, is away or leaves",
          moved.model);
  const auto& there = known_[moved.worker];
  const bool lies_there = std::any_of(there.begin(), there.end(), [&](const HeldState& h) {
    return h.model == moved.model && h.version == moved.version && h.attempt == moved.attempt &&
           h.digest == chain.digest();
  });
  require(moved.worker != chain.holder && lies_there, "a model moves to where its copy lies", moved.model);
  // Of a holder that is away or leaves, nobody need know what its disk has lost, unless it was told.
  const bool is_told = missed_.contains({chain.holder, moved.model, chain.version}) ||
                       (alive_.contains(chain.holder) && !leaving_.contains(chain.holder));
  if (!chain.stored_as && is_told && is_lost(chain, moved.model)) forget(chain.holder, moved.model, chain.version);
}

void Checker::judge_visit(ModelId model, Unit unit, PartitionId partition, WorkerId worker) const {
  const Itinerary& itinerary = scenario_.itinerary;
  require(partition.value < itinerary.partitions && worker.value < itinerary.workers, "visits are those of the cluster",
          model);
  require(has_tasks(scenario_) || partition.value * itinerary.workers / itinerary.partitions == worker.value,
          "a partition is visited where it lies", model);
  const std::vector<WorkerId> members = expected_members(partition);
  require(members.empty() || worker == members.front(), "the lead of a group has the state", model);
  if (itinerary.order == Order::Fixed) {
    require(partition == first_partition(ancestor(model, unit), unit), "the order of visits is fixed", model);
    return;
  }
  const auto found = written_.find(model);
  if (found == written_.end()) return;
  const Chain& chain = found->second;
  if (unit.index() < chain.commits.size()) {
    require(chain.commits[unit.index()].partition == partition, "what is trained again goes the same way", model);
    return;
  }
  for (const record::Commit& earlier : chain.commits) {
    const bool same_epoch = epoch_of(earlier.unit) == epoch_of(unit);
    require(!same_epoch || earlier.partition != partition, "an epoch visits each partition once", model);
  }
}

// The owners of the partitions, who train a unit of replicas together.
std::vector<WorkerId> Checker::expected_members(PartitionId first) const {
  const Itinerary& itinerary = scenario_.itinerary;
  const bool has_groups = has_replicas(scenario_) || scenario_.group > 1;
  if (!has_groups || itinerary.workers == 1 || itinerary.partitions == 1) return {};
  std::set<WorkerId> owners;
  for (std::uint32_t i = 0; i < passes_of(first); ++i) {
    owners.insert(WorkerId{(first.value + i) * itinerary.workers / itinerary.partitions});
  }
  if (scenario_.group > 1 && owners.size() == 1) return {};  // it trains the unit alone
  return {owners.begin(), owners.end()};
}

// The order for a member of a group that is not its lead.
void Checker::judge_member(const action::SendLease& sent) {
  const Lease& lease = sent.lease;
  const auto leads = leases_.find(lease.model);
  require(leads != leases_.end() && leads->second.second.attempt == lease.attempt, "a group has one lease",
          lease.model);
  Lease same = lease;
  same.rank = 0;
  same.source = leads->second.second.source;
  require(same == leads->second.second, "the members of a group train the same unit", lease.model);
  const Chain& chain = written_[lease.model];
  const WorkerId worker = sent.peer.worker;
  require(alive_.contains(worker) && connected_[worker] == sent.peer.incarnation, "leases go to the living",
          lease.model);
  require(!leaving_.contains(worker), "who leaves gets no lease", lease.model);
  require(leases_of(worker).empty(), "no member computes for two groups at once", lease.model);
  require(lease.rank < lease.members.size() && lease.members[lease.rank] == worker, "a member has its own rank",
          lease.model);
  const bool is_built = is_first(lease.unit);
  require(is_built ? !lease.source : lease.source.value_or(worker) == chain.holder && lease.source != worker,
          "the lease says where its parent lies", lease.model);
  require(members_[lease.model].emplace(worker, sent.peer).second, "a member has one lease", lease.model);
}

void Checker::judge(const action::CancelLease& cancel) {
  if (!cancel.abandon) return;
  require(owed_cancellations_.erase({cancel.peer.worker, cancel.attempt}) == 1,
          "only a group that has lost a member abandons its unit", cancel.model);
}

void Checker::judge(const action::SourceGone& gone) {
  const auto source = sources_.find(gone.attempt);
  require(source != sources_.end(), "only who waits for a state hears that its source is gone", {});
  const Peer& life = source->second;
  require(!alive_.contains(life.worker) || connected_[life.worker] != life.incarnation,
          "no source that is there is called gone", {});
  told_of_gone_.emplace(gone.peer.worker, gone.attempt);
}

// A source is gone when the coordinator knows a newer life, or counts on none.
void Checker::judge_waiting(const Coordinator& coordinator) const {
  const auto require_told = [&](WorkerId reader, Attempt attempt, ModelId model) {
    const auto source = sources_.find(attempt);
    if (source == sources_.end() || source->second.worker == reader) return;
    const WorkerState& now = coordinator.workers()[source->second.worker.index()];
    const bool is_gone = now.incarnation > source->second.incarnation || now.presence == Presence::Gone;
    require(!is_gone || told_of_gone_.contains({reader, attempt}),
            "who waits for a state hears that its source is gone", model);
  };
  for (const auto& [model, entry] : leases_) require_told(entry.first.worker, entry.second.attempt, model);
  for (const auto& [model, members] : members_) {
    for (const auto& [worker, peer] : members) require_told(worker, leases_.at(model).second.attempt, model);
  }
  for (const auto& [model, entry] : copies_) require_told(entry.first.worker, entry.second.attempt, model);
}

void Checker::judge(const action::SendLease& sent) {
  const Lease& lease = sent.lease;
  require(lease.members == expected_members(lease.partition), "a group has the owners of the partitions", lease.model);
  if (!lease.is_lead()) return judge_member(sent);
  require(!lease.has_group() || leases_of(sent.peer.worker).empty(), "no member computes for two groups at once",
          lease.model);
  require(on_disk_.contains(lease.model), "nobody trains before the search's wish is durable", lease.model);
  const Chain& chain = written_[lease.model];
  require(!stopping_, "no lease after Ctrl-C", lease.model);
  require(!leases_.contains(lease.model), "one lease per model", lease.model);
  require(attempts_.insert(lease.attempt).second, "an attempt is never used again", lease.model);
  require(chain.records == on_disk_[lease.model].records, "no lease before the commit is durable", lease.model);
  require(!chain.quarantined && !chain.collected, "no lease after the end", lease.model);
  require(before(lease.unit) == chain.version, "the lease is for the unit that is due", lease.model);
  require(!owes_best(chain), "a model trains on when its best state is kept", lease.model);
  require(lease.epoch == epoch_of(lease.unit), "the lease names the epoch of its unit", lease.model);
  require(lease.validate == (number_of(lease.unit) % units_per_epoch_ == 0), "epochs end with validation", lease.model);
  require(alive_.contains(sent.peer.worker) && connected_[sent.peer.worker] == sent.peer.incarnation,
          "leases go to the living", lease.model);
  require(leases_of(sent.peer.worker).size() < scenario_.options.queue_depth, "queues are bounded", lease.model);
  require(!leaving_.contains(sent.peer.worker), "who leaves gets no lease", lease.model);
  judge_visit(lease.model, lease.unit, lease.partition, sent.peer.worker);
  judge_barrier(sent);
  require(lease.identity() == ancestor(lease.model, lease.unit), "a unit is trained as the model whose unit it is",
          lease.model);
  require(is_first(lease.unit) || lease.stored_as == chain.stored_as,
          "the lease says in whose name its parent is stored", lease.model);
  if (is_first(lease.unit)) {
    require(!lease.source && lease.parent == Digest{}, "version 0 has no source", lease.model);
  } else {
    require(lease.parent == chain.digest(), "the lease names its parent", lease.model);
    require(lease.source.value_or(sent.peer.worker) == chain.holder, "the lease says where its parent lies",
            lease.model);
    require(lease.source != sent.peer.worker, "nobody fetches from itself", lease.model);
    require(alive_.contains(chain.holder), "nobody is sent to the dead", lease.model);
  }
  leases_[lease.model] = {sent.peer, lease};
  if (!is_first(lease.unit)) sources_[lease.attempt] = {chain.holder, connected_[chain.holder]};
}

// A unit that is trained again need not wait for the search.
void Checker::judge_barrier(const action::SendLease& sent) const {
  const Lease& lease = sent.lease;
  const Chain& chain = on_disk_.at(lease.model);
  if (lease.unit.index() < chain.commits.size()) return;
  require(!chain.stopped && !chain.paused, "who was stopped or paused trains no further", lease.model);
  require(lease.epoch.value < chain.goal, "nobody trains longer than the search wants", lease.model);
  const bool is_at_end = lease.unit.value % units_per_epoch_ == 0 && lease.epoch > Epoch{};
  if (!is_at_end || is_cured_later()) return;
  const Epoch ended{lease.epoch.value - 1};
  if (!barrier_->barrier_at(ended)) return;
  require(chain.born + ended.value < on_disk_.ticks, "models wait at a barrier until the decision is durable",
          lease.model);
}

void Checker::judge(const action::Answer& answer) {
  const auto knows = [&](const Books& books) {
    const auto found = books.find(answer.model);
    return found != books.end() && found->second.knows(answer.unit, answer.attempt);
  };
  if (answer.verdict == Verdict::Stale) {
    require(!knows(written_) && !knows(on_disk_), "what is committed is not called stale", answer.model);
    std::erase_if(known_[answer.peer.worker], [&](const HeldState& h) {
      return h.model == answer.model && h.version == after(answer.unit) && h.attempt == answer.attempt;
    });
  } else {
    require(knows(on_disk_), "only what is durable is called committed", answer.model);
  }
}

void Checker::judge(const action::Release& release) {
  auto& known = known_[release.peer.worker];
  const auto is_it = [&](const HeldState& h) {
    return h.model == release.model && h.version == release.version && h.attempt == release.attempt;
  };
  const auto found = on_disk_.find(release.model);
  if (found != on_disk_.end() && !found->second.collected) {
    const Chain& chain = found->second;
    require(!chain.is_newest(release.version, release.attempt) &&
                !written_[release.model].is_newest(release.version, release.attempt),
            "what is still needed is not released", release.model);
    const bool is_older = release.version < chain.version && std::any_of(known.begin(), known.end(), is_it) &&
                          chain.knows(before(release.version), release.attempt);
    require(!is_older || alive_.contains(chain.holder), "what may be the newest that is left is not released",
            release.model);
    judge_second_place(release, chain);
  }
  for (const auto& [model, clone] : on_disk_) {
    const bool begins_with_it =
        clone.stored_as == release.model && clone.version == release.version && clone.holder == release.peer.worker;
    require(!begins_with_it, "the state that a clone begins with is kept", model);
  }
  std::erase_if(known, is_it);
}

// With two copies, a state at another worker than the newest one's goes only if one that is as new lies at another
// worker, too.
void Checker::judge_second_place(const action::Release& release, const Chain& chain) const {
  if (scenario_.options.copies < 2 || release.peer.worker == chain.holder) return;
  const auto is_second = [&](WorkerId worker, const HeldState& h) {
    return h.model == release.model && worker != chain.holder && h.version <= chain.version &&
           alive_.contains(worker) && h.digest == chain.commits[before(h.version).index()].digest;
  };
  bool was_second = false, is_another = false;
  for (const auto& [worker, states] : known_) {
    for (const HeldState& h : states) {
      if (!is_second(worker, h)) continue;
      const bool is_released =
          worker == release.peer.worker && h.version == release.version && h.attempt == release.attempt;
      was_second = was_second || is_released;
      is_another = is_another || (!is_released && h.version >= release.version);
    }
  }
  require(!was_second || is_another, "the second place of a state is kept", release.model);
}

void Checker::judge(const action::SendCopy& sent) {
  const Copy& copy = sent.copy;
  const auto found = on_disk_.find(copy.model);
  require(found != on_disk_.end(), "only what is durable is copied", copy.model);
  const Chain& chain = found->second;
  require(chain.records == written_[copy.model].records && copy.version == chain.version &&
              copy.digest == chain.digest() && !is_initial(copy.version),
          "only the newest durable state is copied", copy.model);
  require(!chain.quarantined && !chain.collected, "nothing is copied after the end", copy.model);
  require(copy.source == chain.holder && copy.stored_as == chain.stored_as && alive_.contains(chain.holder),
          "a state is copied from where it lies", copy.model);
  const WorkerId to = sent.peer.worker;
  require(to != copy.source && alive_.contains(to) && connected_[to] == sent.peer.incarnation && !leaving_.contains(to),
          "a copy goes to another worker that stays", copy.model);
  require(scenario_.options.copies > 1 || leaving_.contains(copy.source), "copies are made where they are wanted",
          copy.model);
  require(attempts_.insert(copy.attempt).second, "an attempt is never used again", copy.model);
  require(copies_.emplace(copy.model, std::pair(sent.peer, copy)).second, "one copy of a model at a time", copy.model);
  sources_[copy.attempt] = {copy.source, connected_[copy.source]};
}

// What has no second place by then is lost with the worker, if its disk goes, too.
void Checker::judge(const action::SendHome& home) const {
  require(leaving_.contains(home.peer.worker), "only who leaves is sent home", {});
  for (const auto& [model, chain] : on_disk_) {
    const bool is_needed = !is_initial(chain.version) && chain.holder == home.peer.worker && !chain.collected;
    require(stopping_ || !is_needed || chain.quarantined, "who is needed is not sent home", model);
  }
}

void Checker::judge(const action::SendCollect& collect) {
  const auto found = on_disk_.find(collect.model);
  require(found != on_disk_.end() && found->second.version == collect.version &&
              found->second.holder == collect.peer.worker,
          "states are fetched from where they lie", collect.model);
  const Chain& chain = found->second;
  require(!chain.collected, "final states are fetched once", collect.model);
  const bool is_best = collect.file == StateFile::Best;
  require(is_best == owes_best(chain), "the best state is fetched first, and once", collect.model);
  require(is_best || (has_ended(chain) && chain.commits.size() == collect.version.index()),
          "only who has ended is collected", collect.model);
  require(collecting_.emplace(collect.model, collect.peer).second, "states are fetched once at a time", collect.model);
}

void Checker::judge(const action::Finish&) const {
  require(durable_ == records_.size(), "a run ends when all is durable", {});
}

// ---- durability -----------------------------------------------------------------------------------------------------

void Checker::is_durable(std::uint64_t sequence) {
  for (; durable_ < sequence; ++durable_) write_down(on_disk_, records_[durable_]);
}

std::vector<Record> Checker::durable_records() const {
  return {records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(durable_)};
}

void Checker::after_step(const Coordinator& coordinator, bool replay) {
  coordinator.check_invariants();
  require(owed_cancellations_.empty(), "who trains for a group that is no more is told", {});
  judge_waiting(coordinator);
  for (const auto& [model, entry] : leases_) {
    const Lease& lease = entry.second;
    require(!lease.has_group() || members_[model].size() < lease.members.size(), "a group has one lead", model);
  }
  for (const auto& [model, chain] : on_disk_) {
    if (is_initial(chain.version) || chain.collected) continue;
    require(holds_(chain.holder, chain.stored_as.value_or(model), chain.version, chain.digest()),
            "the newest durable state exists", model);
  }
  if (!replay) return;
  Ledger ledger(scenario_.itinerary);
  for (const Record& record : durable_records()) ledger.apply(record);
  const auto replayed = ledger.models();
  const auto live = coordinator.ledger().models();
  require(std::equal(replayed.begin(), replayed.end(), live.begin(), live.end()),
          "the journal replays to the live state", {});
}

void Checker::after_run(const Coordinator& coordinator) const {
  require(coordinator.ledger().models().size() == calm_.fates.size(), "every model was asked for", {});
  require(is_cured_later() || heard_ == calm_.calls.size(), "the search hears the calls of the calm run to the end",
          {});
  for (const Model& model : coordinator.ledger().models()) {
    const Fate& expected = calm_.fates[model.id.index()];
    require(model.status == expected.status,
            "a model ends as it must, not " + to_string(model.status) + " (" + model.reason + ")", model.id);
    require(model.version == Version{expected.units} && model.visits.size() == expected.units,
            "a model trains as long as it must", model.id);
    if (model.status == Status::Quarantined) continue;
    Digest weights;  // the weights of the calm run
    for (Unit unit{}; unit < model.next_unit(); ++unit) {
      const ModelId who = calm_.ancestor(model.id, unit);
      const bool is_fixed = scenario_.itinerary.order == Order::Fixed;
      weights = train(weights, who, unit, is_fixed ? first_partition(who, unit) : model.visit(unit).partition);
    }
    require(on_disk_.at(model.id).collected == weights.hex(), "the final weights are those of the calm run", model.id);
    require(on_disk_.at(model.id).best.value_or("") == expected_best(model),
            "the best weights are those of its best epoch", model.id);
  }
}

// The digest at the end of the best epoch of its own, by what the scenario says that workers measure. "" if none is
// kept.
std::string Checker::expected_best(const Model& model) const {
  std::string digest;
  double highest = -1;
  for (Epoch e{model.inherited / units_per_epoch_}; e.value < model.epochs.size(); ++e) {
    const double accuracy = toy_accuracy(scenario_, model.id, e);
    if (!scenario_.itinerary.keep_best || accuracy <= highest) continue;
    digest = model.visit(Unit{number_of(e) * units_per_epoch_ - 1}).digest.hex();
    highest = accuracy;
  }
  return digest;
}

}  // namespace hop::hopper::simulate
