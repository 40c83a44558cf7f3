// A whole cluster in one thread and in virtual time: the real coordinator, the
// real machine of each worker, a network and disks that fail.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "hopper/coordinator.h"
#include "hopper/simulate/checker.h"
#include "hopper/simulate/event_queue.h"
#include "hopper/simulate/gatherings.h"
#include "hopper/simulate/node.h"
#include "hopper/simulate/rng.h"
#include "hopper/simulate/scenario.h"
#include "hopper/simulate/worker_checker.h"

namespace hop::hopper::simulate {

/// Counts of a run.
struct Summary {
  Time makespan{};                 ///< virtual time from the start to the last commit
  std::uint64_t hops = 0;          ///< moves of models between workers
  std::uint64_t steps = 0;         ///< of the coordinator
  std::uint64_t deaths = 0;        ///< of workers
  std::uint64_t cuts = 0;          ///< connections lost between the living
  std::uint64_t crashes = 0;       ///< of the coordinator
  std::uint64_t stops = 0;         ///< by Ctrl-C, each one followed by a resume
  std::uint64_t forgotten = 0;     ///< records that a crash took, because they were not synced
  std::uint64_t adopted = 0;       ///< units committed because a worker found them on its disk
  std::uint64_t stale = 0;         ///< results answered STALE
  std::uint64_t cancelled = 0;     ///< leases given back
  std::uint64_t condemned = 0;     ///< models quarantined
  std::uint64_t retried = 0;       ///< ... and brought back
  std::uint64_t lost = 0;          ///< states that a disk lost or damaged
  std::uint64_t partitions = 0;    ///< pairs of workers that could not reach each other for a while
  std::uint64_t rollbacks = 0;     ///< of models, because a state was lost
  std::uint64_t spared = 0;        ///< ... to a version that was trained before
  std::uint64_t retrained = 0;     ///< units that were done again
  std::uint64_t blackouts = 0;     ///< deaths of all workers at once
  std::uint64_t erred = 0;         ///< units that had other bits when they were done again
  std::uint64_t garbled = 0;       ///< states that arrived damaged
  std::uint64_t stalled = 0;       ///< times that a disk took long
  std::uint64_t full = 0;          ///< ends of the run, because a disk had no room
  std::uint64_t torn = 0;          ///< states of which a dying worker left a part
  std::uint64_t stopped = 0;       ///< orders of the search to stop a model
  std::uint64_t paused = 0;        ///< ... to pause one
  std::uint64_t resumed = 0;       ///< ... to let one go on
  std::uint64_t clones = 0;        ///< models that begin with the state of another one
  std::uint64_t orphans = 0;       ///< ... whose parent's state was gone
  std::uint64_t relearned = 0;     ///< units of ancestors that clones trained again
  std::uint64_t kept = 0;          ///< states of best epochs that were fetched
  std::uint64_t copied = 0;        ///< states that got a second place
  std::uint64_t moved = 0;         ///< times that a model went on from its copy
  std::uint64_t replaced = 0;      ///< nodes that were lost with their disks
  std::uint64_t left = 0;          ///< workers that were asked to go
  std::uint64_t members_lost = 0;  ///< units that a member gave up, because its group had lost another one
  std::uint64_t abandoned = 0;     ///< leases of members that the coordinator took back for that reason
  std::uint64_t sent_home = 0;     ///< ... and went when nobody needed their states
  std::uint64_t hopeless = 0;      ///< leases and copies that were given back, because their source was gone
  bool operator==(const Summary&) const = default;
};

/// One run of one scenario. The same scenario gives the same run, event by event.
class Simulation final : private World {
 public:
  /// Pass an event to the coordinator and to the machine of a worker. Tests replace them by versions with a bug, to see
  /// that the checkers find the bug.
  using Step = std::function<std::vector<Action>(Coordinator&, const Event&, Time)>;
  using WorkerStep = std::function<std::vector<worker::Action>(WorkerId, worker::Jobs&, const worker::Event&, Time)>;

  explicit Simulation(Scenario scenario, Step step = {}, WorkerStep worker_step = {});

  /// Runs to the end. Throws Violation if the coordinator or a worker breaks a promise, or if the run does not end in
  /// time after the troubles have ended.
  Summary run();

 private:
  // The cluster, seen from a worker.
  Time now() const override { return queue_.now(); }
  void after(Time delay, std::function<void()> task) override { queue_.after(delay, std::move(task)); }
  std::vector<worker::Action> step(WorkerId id, worker::Jobs& jobs, const worker::Event& event) override;
  void send(const Peer& from, Event event) override;
  Time transfer_time(ModelId) const override { return scenario_.transfer_time; }
  Reading fetch(WorkerId reader, WorkerId source, ModelId model, Version version) override;
  bool gets_rows(WorkerId worker, const Lease& lease) override;
  void gather(WorkerId worker, const Lease& lease) override;
  void scatter(Attempt attempt) override { gatherings_.scatter(attempt); }
  Time unit_time(WorkerId worker, const Lease& lease) override;
  std::pair<UnitMetrics, Digest> train(WorkerId worker, const Lease& lease, const Digest& parent) override;
  Time save_time() override { return scenario_.save_time + stall(); }
  Time delete_time() override { return stall(); }
  void wrote(WorkerId worker, const HeldState& state) override;
  bool dies(WorkerId worker, Moment moment, ModelId model, Unit unit) override;
  bool unit_fails(const Lease& lease) override;
  bool is_full() override { return trouble(scenario_.troubles.full_disk); }
  bool is_torn(WorkerId worker, ModelId model, Version version) override;
  void ended(const Peer& peer, worker::Trouble trouble) override;

  // The coordinator's process.
  void start_coordinator();
  void end_coordinator(std::uint64_t surviving_records, bool workers_die);
  void crash();
  void step(const Event& event);
  void count(const Event& event, const std::vector<Action>& actions);
  /// Runs `task` after `delay`, unless the coordinator has died by then.
  template <class F>
  void in_this_life(Time delay, F task) {
    queue_.after(delay, [this, life = life_, task = std::move(task)] {
      if (life == life_ && coordinator_) task();
    });
  }

  // Performing the coordinator's actions.
  void perform(const action::Append& append);
  void perform(const action::SendCollect& collect);
  void perform(const action::SetTimer& timer);
  void perform(const action::SendHome& home);
  void perform(const action::SourceGone& gone);
  void perform(const action::Finish& finish);
  template <class Message>
  void perform(const Message& message) {
    tell(rng_, message);
  }
  void sync_journal();

  // Troubles.
  void look_at_disks();
  bool is_kept(const HeldState& state) const;
  bool trouble(double probability) { return trouble(probability, rng_); }
  bool trouble(double probability, Rng& rng);
  void kill(WorkerId worker, bool crashes = false);
  void black_out();
  void replace_node();
  void ask_to_leave();
  void harm_disk(Node& node);
  void rot();
  void take(Node& node, const HeldState& state);
  Time stall();
  void restart(WorkerId worker, Time longest);
  bool reach(WorkerId one, WorkerId other);
  void notice_end(const Peer& peer, std::optional<ModelId> trained);
  void lose_connection(WorkerId worker);
  void try_connect(WorkerId worker);
  template <class Message>
  void tell(Rng& rng, const Message& message);
  template <class F>
  void transmit(Rng& rng, Time& link, F deliver);

  Scenario scenario_;
  Step step_;
  WorkerStep worker_step_;
  EventQueue queue_;
  Rng rng_;
  std::vector<std::unique_ptr<Node>> nodes_;
  Gatherings gatherings_;
  std::vector<WorkerChecker> worker_checkers_;
  std::set<std::tuple<WorkerId, ModelId, Version>> taken_;  // states that a disk lost or damaged
  std::map<std::pair<WorkerId, WorkerId>, Time> apart_;     // until when two workers cannot reach each other
  bool is_cured_ = false;
  std::vector<Incarnation> cut_;               // per worker: messages on the wire of this incarnation are lost
  std::vector<Time> to_worker_, from_worker_;  // when the last message of an ordered link arrives
  Checker checker_;
  std::unique_ptr<Coordinator> coordinator_;
  std::uint64_t life_ = 0;      // of the coordinator
  std::uint64_t appended_ = 0;  // records written, and
  std::uint64_t durable_ = 0;   // ... of them on the disk
  bool syncing_ = false;
  bool complete_ = false;
  Summary summary_;
};

}  // namespace hop::hopper::simulate
