// The judge of a simulated run. It sees all events and actions of the coordinator, keeps its own books, and shares no
// code with the coordinator.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "hopper/coordinator.h"
#include "hopper/simulate/scenario.h"
#include "hopper/simulate/toy_search.h"
#include "hopper/simulate/violation.h"

namespace hop::hopper::simulate {

/// Checks after every step:
///   - each unit is committed once, in order, and its parent is the commit before;
///   - a committed unit was due, was announced by its worker, and its state lies on that worker's disk;
///   - a model has one lease, on a durable state within reach, with a new attempt, to a living worker with room;
///   - COMMITTED answers durable units only, STALE answers no committed unit;
///   - the newest durable state of every model exists somewhere until it is in the run directory;
///   - if a disk loses it, the model goes back to the newest version that is left, and repeated units give the same
///     digests;
///   - only a model with a fault of its own is quarantined;
/// - the search hears the calls of the calm run, in their order, in every life of the coordinator;
/// - an order of the search counts once it is durable, and models wait for it at barriers;
///   - the state that a clone begins with is kept until the clone's first commit;
///   - who waits for a state hears that its source is gone, and hears it of no source that is there;
///   - a copy of a newest state is ordered at another worker, one per model at a time, and lies there when it is told;
///   - with two copies, the newest state that lies at another worker than its holder's is kept;
///   - a model whose newest state is lost goes on from its copy, if there is one, and trains nothing again;
///   - a worker that leaves gets no lease, and is sent home when no model needs its states;
///   - where the best states are kept, a model trains on when the state of its best epoch is in the run directory;
///   - the journal replays to the coordinator's state.
class Checker {
 public:
  /// Whether the state lies on that disk, or would lie there without the troubles.
  using Holds = std::function<bool(WorkerId, ModelId, Version version, const Digest&)>;
  /// Whether troubles took the state.
  using Lost = std::function<bool(WorkerId, ModelId, Version version)>;

  /// Both look at the simulated disks.
  Checker(const Scenario& scenario, Holds holds, Lost lost);

  void coordinator_starts();
  /// The search for the next life of the coordinator. It throws Violation for a call that is not that of the calm run.
  std::unique_ptr<Search> search();
  /// The coordinator died; the first `records` records of its journal survive.
  void coordinator_died(std::uint64_t records);
  void before_step(const Event& event);
  void sees(const Action& action);
  void is_durable(std::uint64_t sequence);
  void after_step(const Coordinator& coordinator, bool replay);
  /// The journal, to be replayed: durable records only.
  std::vector<Record> durable_records() const;
  /// The run is complete: checks that every model has met its fate.
  void after_run(const Coordinator& coordinator) const;

  /// Whether the unit is durably committed. If so, another try must give the same digest.
  bool is_done(ModelId model, Unit unit) const;
  /// Whether the state comes from another try of such a unit that gave another digest.
  bool is_wrong(const HeldState& state) const;
  /// Leases that `worker` holds at this moment.
  std::vector<Lease> leases_of(WorkerId worker) const;

 private:
  // One model according to the records.
  struct Chain {
    std::vector<record::Commit> commits;  // the last commit of each unit
    Version version;                      // of the newest state
    WorkerId holder;                      // of that version; meaningless for version 0
    std::uint64_t records = 0;
    std::optional<Parent> parent;
    std::optional<ModelId> stored_as;  // the parent, until the clone has a state of its own
    std::uint32_t inherited = 0;       // commits of its ancestors
    std::uint32_t born = 0;
    std::uint32_t goal = 0;  // epochs
    bool paused = false, stopped = false;
    bool quarantined = false;
    std::optional<std::string> collected;
    std::optional<std::string> best;  // the kept state of its best epoch so far

    Digest digest() const { return is_initial(version) ? Digest{} : commits[before(version).index()].digest; }
    bool is_newest(Version v, Attempt attempt) const {
      return !is_initial(v) && v == version && attempt == commits[before(v).index()].attempt;
    }
    bool knows(Unit unit, Attempt attempt) const {
      return unit.index() < commits.size() && commits[unit.index()].attempt == attempt;
    }
  };
  struct Books : std::map<ModelId, Chain> {
    std::uint32_t ticks = 0;
    std::vector<Record> undecided;  // since the last Ticked
  };
  void write_down(Books& books, const Record& record) const;
  void decide(Books& books, const record::Ticked& ticked) const;
  void give_birth(Books& books, const record::Asked& asked) const;
  std::uint32_t epochs_done(const Chain& chain) const;
  Epoch epoch_of(Unit unit) const;
  PartitionId first_partition(ModelId who, Unit unit) const;
  Digest train(Digest weights, ModelId who, Unit unit, PartitionId first) const;
  bool has_ended(const Chain& chain) const;
  std::optional<Epoch> best_epoch(const Chain& chain) const;
  bool owes_best(const Chain& chain) const;
  std::string expected_best(const Model& model) const;
  bool is_cured_later() const { return scenario_.poison && scenario_.cured; }
  ModelId ancestor(ModelId model, Unit unit) const;

  void hears(const event::WorkerUp& up);
  void hears(const event::WorkerDown& down);
  void hears(const event::WorkerCrashed& crashed) { hears(event::WorkerDown{crashed.peer}); }
  void hears(const event::Result& result);
  void hears(const event::UnitFailed& failed);
  void hears(const event::StopRequested&) { stopping_ = true; }
  void hears(const event::Collected& collected);
  void hears(const event::CollectFailed& failed);
  void hears(const event::Copied& copied);
  void hears(const event::CopyFailed& failed);
  void hears(const event::WorkerLeaves& leaves);
  template <class E>
  void hears(const E&) {}

  void judge(const action::Append& append);
  void judge(const action::SendLease& sent);
  void judge_member(const action::SendLease& sent);
  void judge(const action::CancelLease& cancel);
  void judge(const action::SourceGone& gone);
  void judge_waiting(const Coordinator& coordinator) const;
  void judge(const action::Answer& answer);
  void judge(const action::Release& release);
  void judge(const action::SendCollect& collect);
  void judge(const action::SendCopy& sent);
  void judge(const action::SendHome& home) const;
  void judge(const action::Finish&) const;
  template <class A>
  void judge(const A&) const {}
  void judge_commit(const record::Commit& commit);
  void judge_rollback(const record::Rollback& rollback);
  void judge_move(const record::Moved& moved);
  void judge_second_place(const action::Release& release, const Chain& chain) const;
  bool is_lost_or_away(const Chain& chain, ModelId model) const;
  void judge_barrier(const action::SendLease& sent) const;
  void judge_visit(ModelId model, Unit unit, PartitionId partition, WorkerId worker) const;

  void hears(const event::Confirmed& confirmed);
  std::vector<WorkerId> expected_members(PartitionId first) const;
  std::uint32_t passes_of(PartitionId first) const;
  void end_lease(const Peer& peer, ModelId model, Attempt attempt, bool is_done);
  void end_lease(ModelId model, std::optional<WorkerId> by, bool is_done);
  void leave(WorkerId worker);
  void forget(WorkerId worker, ModelId model, Version version);
  void end_collection(ModelId model, const Peer& peer);
  void note_loss(WorkerId worker, ModelId stored_as, Version version);
  bool is_lost(const Chain& chain, ModelId model) const;
  void require(bool holds, const std::string& promise, ModelId model) const;

  const Scenario& scenario_;
  CalmRun calm_;
  std::size_t heard_ = 0;            // of its calls, by the present search
  std::unique_ptr<Search> barrier_;  // asked for its barriers only
  Holds holds_;
  Lost lost_;
  std::vector<std::uint32_t> starts_;  // the van der Corput order, computed in another way
  std::uint32_t units_per_epoch_;
  std::vector<Record> records_;
  std::uint64_t durable_ = 0;
  Books written_, on_disk_;     // by all records, and by the durable ones
  std::set<Attempt> attempts_;  // ever used
  std::set<std::tuple<WorkerId, ModelId, Version, Attempt, Digest>> announced_;
  std::map<ModelId, std::string> fetched_;
  // State that is lost with the coordinator:
  std::map<ModelId, std::pair<Peer, Lease>> leases_;           // of groups: the lead's
  std::map<ModelId, std::map<WorkerId, Peer>> members_;        // of groups: the others that hold the lease
  std::set<std::pair<WorkerId, Attempt>> owed_cancellations_;  // of members, in this step
  std::map<WorkerId, Incarnation> connected_;
  std::set<WorkerId> alive_;
  std::map<WorkerId, std::vector<HeldState>> known_;         // states that a worker reported and may keep
  std::set<std::tuple<WorkerId, ModelId, Version>> missed_;  // states that were lost when their worker said so
  std::map<ModelId, Peer> collecting_;
  std::map<ModelId, std::pair<Peer, Copy>> copies_;      // on their way
  std::map<Attempt, Peer> sources_;                      // where the states of leases and copies come from
  std::set<std::pair<WorkerId, Attempt>> told_of_gone_;  // readers that heard that the source of the attempt is gone
  std::set<WorkerId> leaving_;
  bool stopping_ = false;
};

}  // namespace hop::hopper::simulate
