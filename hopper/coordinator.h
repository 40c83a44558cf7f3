// The coordinator: a pure state machine that decides which worker trains which unit, and which units count as done.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hopper/events.h"
#include "hopper/ledger.h"
#include "hopper/schedule/board.h"
#include "hopper/schedule/policy.h"
#include "hopper/search_talk.h"

namespace hop::hopper {

struct CoordinatorOptions {
  std::uint32_t queue_depth = 2;   ///< leases per worker: one trains, the next one's state arrives meanwhile
  std::uint32_t max_failures = 3;  ///< of one unit, by a fault of the model, before it is quarantined
  std::uint32_t max_damaged = 6;   ///< times that a state could not be read, before it is taken for lost
  Time retry_delay =
      std::chrono::milliseconds(100);         ///< before a fetch or collection is tried again; doubles up to 64-fold
  std::uint32_t attempt_block = 1024;         ///< attempts reserved in the journal at a time
  std::uint32_t copies = 1;                   ///< places of each newest state: 2, and a second worker keeps a copy
  Time move_after = std::chrono::seconds(3);  ///< that a worker is away, before its models go on from their copies
  CheckClone check_clone{};                   ///< of each clone that the search asks for anew; null: every one fits
};

/// Whether the run counts on a worker. The first three are alive.
enum class Presence : std::uint8_t {
  Here,
  Leaving,   ///< gets no more leases; its states go to others
  SentHome,  ///< nobody needs its states any more
  Away,      ///< its next life is expected, with its states
  Gone       ///< away for long, or on purpose: models go on from their copies elsewhere
};

/// A worker as the coordinator knows it.
struct WorkerState {
  WorkerId id{};
  Incarnation incarnation{};
  bool alive = false;
  std::vector<Lease> leases{};  ///< in the order given: the first one is in training, or trained but not yet reported
  std::optional<Lease> broken_off{};  ///< the unit that the last ended life was training
  /// The lease of a group that is no more, until the worker answers: it may still be in the middle of its unit.
  std::optional<Attempt> abandons{};
  Presence presence = Presence::Away;
  Time away_since{};  ///< unless it is alive

  bool takes_leases() const { return presence == Presence::Here; }
  bool leaves() const { return presence == Presence::Leaving || presence == Presence::SentHome; }
};

/// The law of a unit (model, epoch, partition):
///   1. LEASE: at most one valid lease per model. A group has one lease together: its members are reserved at once,
///      when all of them are free, and the lease ends once, for all of them.
///   2. RESULT: the new state is a durable file of the worker's node, and this is its digest.
///   3. COMMIT is appended to the journal and counts once it is SYNCED.
///   4. Training on a state, showing it and deleting its predecessor wait for that.
/// A RESULT without a current lease is answered STALE; a repeated RESULT of a committed unit is answered COMMITTED. So
/// each unit is committed exactly once, whichever processes die.
///
/// A newest state that is lost costs time, never a model: the model rolls back to the newest version that is left, at
/// worst to its initial state, and the units above it are trained again to the digests that the journal has of them.
/// With `copies` = 2 the newest state lies at a second worker, too, soon after its COMMIT; until then the newest state
/// that lies at another worker than the newest one is kept. So the loss of one node with its disk takes no version that
/// has lain in two places: the model goes on from its copy.
/// Faults of machines (they die, fall silent, cannot be reached, lose a disk) are never held against a model.
///
/// `step` is the only entrance: no socket, file, thread, clock or random source inside. The same object runs in
/// production, in the simulator and in replay. Not thread-safe.
class Coordinator {
 public:
  /// Starts from the records of a journal: none for a new run, so that starting and resuming are one path. The first
  /// event must be `Started`. Without a search the run goes on until the search would have the word, and ends as
  /// interrupted. Throws ConfigError for a bad itinerary, JournalError for records that contradict it. `step` throws
  /// ConfigError for an answer of the search that no run can follow.
  Coordinator(Itinerary itinerary, std::unique_ptr<Search> search, std::unique_ptr<Policy> policy,
              std::span<const Record> records = {}, CoordinatorOptions options = {});

  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  /// Takes one event and returns the actions that it makes necessary, in order. After `Finish` there are no more
  /// actions.
  std::vector<Action> step(const Event& event, Time now);

  const Ledger& ledger() const { return ledger_; }
  std::span<const WorkerState> workers() const { return workers_; }
  /// Whether a copy of a state is on its way to this worker.
  bool is_copying_to(WorkerId worker) const;
  bool stopping() const { return stopping_; }
  bool finished() const { return finished_; }
  /// Whether the model stands at the end of an epoch until the search has decided.
  bool waits_for_search(const Model& model) const { return talk_.holds_back(ledger_, model); }

  /// Checks the invariants of this state. Throws hop::Error that names the broken one. Costs O(models). `step` calls it
  /// after every fault. After every event `step` checks the model and the workers of the event.
  void check_invariants() const;

 private:
  // A state that a worker holds beside the newest one at its holder: an older one, or a copy of the newest. It is kept
  // while the newest one may turn out to be lost, and as its second place.
  struct Spare {
    WorkerId worker;
    Version version{};
    Attempt attempt;
    bool is_lost = false;  // no model goes on from it, but a damaged file may lie there, to be released in the end
  };
  // A state that a clone begins with. It is kept until the clone's first COMMIT.
  struct Pin {
    ModelId clone;
    ModelId stored_as;
    Version version{};
    WorkerId worker;
  };
  // A copy that was ordered.
  struct Copying {
    Copy copy;
    Peer to;
  };
  // Facts about a model that this life of the coordinator knows beyond the ledger.
  struct Flight {
    std::optional<WorkerId> leased_to;        // the holder of the one valid lease; of a group, the lead
    std::optional<std::uint64_t> committing;  // the COMMIT of the unit that is due: appended, not yet durable
    bool settling = false;                    // another record of it is appended, not yet durable
    bool is_gone = false;                     // the holder has begun a new life without its newest state
    bool is_found_again = false;              // its first state, while it was leased: news of a loss may be older
    std::optional<Peer> collecting;           // who is asked for its newest state, for the run directory
    std::optional<std::string> loss;          // why its newest state is taken for lost: a rollback follows
    std::optional<std::string> fault;         // the failure that was one too many: a quarantine follows
    std::uint32_t failures = 0;               // by a fault of the model, until a unit above failed_unit is done
    Unit failed_unit{};                       // the highest unit that failed
    std::uint32_t broken_off = 0;             // times that a worker was lost in the middle of it
    std::uint32_t unreachable = 0;            // fetches of its state that failed in a row
    std::uint32_t damaged = 0;                // ... that gave damaged bytes
    Time not_before{};                        // when the next try may begin
    std::vector<Spare> spares;                // other states of it that are known to lie somewhere
    std::optional<Copying> copying;           // its copy on the way
    std::uint32_t copy_failures = 0;          // in a row
    Time copy_not_before{};                   // when the next copy may be ordered
    // Of the books beside the board:
    bool touched = false;     // the board must be updated for it
    bool open = false;        // it trains, or its final state is not collected
    double seconds = 0;       // of its units
    std::uint64_t units = 0;  // that were ever committed
  };
  struct Unsynced {
    Record record;
    std::optional<Peer> waiting;  // the worker to be answered COMMITTED
  };

  void on(const event::Started& started);
  void on(const event::WorkerUp& up);
  void on(const event::WorkerDown& down);
  void on(const event::WorkerCrashed& crashed);
  void on(const event::Result& result);
  void on(const event::UnitFailed& failed);
  void on(const event::Confirmed& confirmed);
  void on(const event::Synced& synced);
  void on(const event::Timer&) {}
  void on(const event::StopRequested&);
  void on(const event::Collected& collected);
  void on(const event::CollectFailed& failed);
  void on(const event::Copied& copied);
  void on(const event::CopyFailed& failed);
  void on(const event::WorkerLeaves& leaves);

  // coordinator_workers.cpp: the workers that are there, and the states that they bring.
  WorkerState* alive(const Peer& peer);
  void take_down(WorkerState& worker, std::optional<ModelId> trained = {});
  void receive(const Peer& peer, const HeldState& held);
  std::optional<record::Commit> due_commit(WorkerId worker, const HeldState& held) const;
  void find_losses(WorkerId worker, std::span<const HeldState> held);
  void note_gone(WorkerId worker, std::span<const HeldState> held);
  bool may_be_lost(const Model& model) const;
  void give_up_transfers_from(WorkerId source);

  // coordinator_losses.cpp: lost units are trained again, and models that fail too often are set aside.
  void lose(ModelId model, std::string why);
  void blame(ModelId model, std::string what);
  void spoil(ModelId model, const std::string& text);
  void resolve();
  bool resolve(const Model& model);
  void roll_back(const Model& model, const std::string& why);
  bool were_all_here() const;
  void release_spares(ModelId model);

  // coordinator_copies.cpp: the second place of every state.
  bool is_place(WorkerId worker) const;
  bool is_spare(WorkerId worker, ModelId model, Version version, Attempt attempt) const;
  std::optional<Spare> second_place(const Model& model) const;
  std::optional<Spare> find_copy(const Model& model, bool must_be_here) const;
  bool needs_copy(const Model& model) const;
  bool is_stranded(const Model& model) const;
  std::optional<Copying> take_copying(const Peer& peer, ModelId model, Attempt attempt);
  void keep_offered(const std::vector<HeldState>& held);
  void forget_copies_to(WorkerId worker);
  void touch_states_at(WorkerId worker);
  void note_absences();
  void move_models();
  void move(const Model& model, const Spare& copy, std::string why);
  void order_copies();
  std::optional<Peer> receiver_of(const Model& model) const;
  void send_home();
  bool reads_rows_of(const WorkerState& reader, WorkerId holder) const;
  bool is_needed(const WorkerState& worker) const;
  bool take_spare(ModelId model, WorkerId worker, Attempt attempt);
  void lose_place(const Model& model);
  void settle(const record::Moved& moved, const Unsynced& entry);

  // coordinator_units.cpp: the law of a unit.
  enum class GroupFate : std::uint8_t { Done, Abandoned };
  template <class E>
  std::optional<Lease> take_lease(const E& end, GroupFate fate);
  void end_lease(const Lease& lease, GroupFate fate);
  void note_answer(const Peer& peer, Attempt attempt, bool is_trained);
  static Flight begin_anew(Flight&& before);
  static record::Commit commit_of(const HeldState& state, WorkerId worker);
  void commit(record::Commit commit, const Peer& peer);
  bool committed(ModelId model, Unit unit, Attempt attempt) const;
  bool is_committing(ModelId model, Attempt attempt) const;
  void answer(const Peer& peer, ModelId model, Unit unit, Attempt attempt, Verdict verdict);
  void release_lost(const Visit& before, const record::Commit& commit);
  void release_given_up(const Model& model);
  void release(WorkerId worker, ModelId model, Version version, Attempt attempt);
  void settle(const record::Reserve&, const Unsynced& entry);
  void settle(const record::Commit& commit, const Unsynced& entry);
  void settle(const record::Quarantine& quarantine, const Unsynced& entry);
  void settle(const record::Collected& collected, const Unsynced& entry);
  void settle(const record::Arithmetic&, const Unsynced& entry);
  void settle(const record::Rollback& rollback, const Unsynced& entry);
  void settle(const record::Retry& retry, const Unsynced& entry);

  // coordinator_search.cpp: the requests and orders of the search.
  void consult();
  std::optional<record::Place> find_state(const Parent& parent) const;
  void pin(const record::Asked& asked);
  void unpin(ModelId clone);
  bool needs_search() const;
  void find_again(ModelId stored_as, Version version, WorkerId worker);
  bool is_kept_for_clone(ModelId stored_as, Version version, WorkerId worker) const;
  void settle(const record::Asked&, const Unsynced& entry);
  void settle(const record::Ordered&, const Unsynced& entry);
  void settle(const record::Ticked&, const Unsynced& entry);
  void settle(const record::Extended&, const Unsynced& entry);

  // coordinator_schedule.cpp: the view of the policy, and its choices.
  void refresh();
  void schedule();
  bool are_free(const std::vector<WorkerId>& members) const;
  bool ready(const Model& model) const;
  std::optional<WorkerId> busy_at(const Model& model) const;
  void touch(ModelId model);
  void touch_held_by(WorkerId worker);
  void show(const WorkerState& worker);
  void show(const Model& model);
  void show_touched();
  void measure(const Model& model, Flight& flight);

  // coordinator_invariants.cpp: what must hold after every event.
  void check_after(const Event& event) const;
  void check(const WorkerState& worker) const;
  void check(const Model& model) const;

  // coordinator.cpp: the consequences of the state after every event.
  void reserve_attempts();
  void grant(const Choice& choice);
  void send_leases(Lease lease, const std::vector<WorkerId>& members, std::optional<WorkerId> holder);
  void collect();
  void finish();
  bool is_idle() const;
  void append_final(ModelId model, Record record);
  void retry_later(Flight& flight, std::uint32_t failures);
  template <class A>
  void emit(A action) {
    actions_.emplace_back(std::move(action));
  }
  std::uint64_t append(Record record, std::optional<Peer> waiting = {});
  std::uint64_t append_unchecked(Record record, std::optional<Peer> waiting = {});
  const record::Commit& unsynced_commit(std::uint64_t sequence) const;
  Flight& flight(ModelId model) {  // to be changed: the board will look at it again
    touch(model);
    return flights_[model.index()];
  }
  const Flight& flight(ModelId model) const { return flights_[model.index()]; }
  WorkerState& worker(WorkerId id) {  // to be changed: the board will look at it again
    touched_workers_.push_back(id);
    return workers_[id.index()];
  }

  Ledger ledger_;  // durable facts only: a record is applied when it is synced
  SearchTalk talk_;
  std::unique_ptr<Policy> policy_;
  CoordinatorOptions options_;
  Board board_;
  std::vector<WorkerState> workers_;
  std::vector<Flight> flights_;
  std::vector<ModelId> touched_;           // for which the board must be updated
  std::vector<WorkerId> touched_workers_;  // the same of workers; some stand there twice
  std::vector<ModelId> looked_at_;         // that this step touched
  std::vector<ModelId> delayed_;           // whose next try may not begin yet
  std::set<ModelId> owing_;                // of which a state is to be collected now
  std::set<ModelId> uncopied_;             // whose newest state needs a second place
  std::set<ModelId> copying_;              // whose copy is on its way: at most one per worker
  ModelId looked_last_{};                  // of the uncopied, which take turns
  std::size_t open_models_ = 0;            // that train, or are not collected
  std::vector<Pin> pins_;                  // few: one per clone that has not trained yet
  double seconds_ = 0;                     // of all units
  std::uint64_t units_ = 0;
  std::uint64_t mean_of_units_ = 1;  // units when the mean was taken
  double mean_seconds_ = 1;          // of a unit
  std::vector<ModelId> unresolved_;  // with a loss or a fault, until a record decides about it
  std::deque<Unsynced> unsynced_;    // follows the ledger: the first one has sequence ledger_.sequence() + 1
  Attempt next_attempt_;
  bool reserving_ = false;
  bool deciding_ = false;  // the decision of the tick in progress is appended, not yet durable
  bool started_ = false;
  bool stopping_ = false;
  bool finished_ = false;
  Time now_{};
  std::vector<Action> actions_;
};

}  // namespace hop::hopper
