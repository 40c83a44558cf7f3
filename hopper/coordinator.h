// The coordinator: a pure state machine that decides which worker trains which unit, and what counts as done.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hopper/events.h"
#include "hopper/ledger.h"
#include "hopper/schedule/policy.h"

namespace hop::hopper {

struct CoordinatorOptions {
  std::uint32_t queue_depth = 2;       ///< leases per worker: one trains, the next one's state arrives meanwhile
  std::uint32_t max_failures = 3;      ///< of one unit, before its model is quarantined
  std::uint32_t max_unreachable = 10;  ///< failed fetches of one unit in a row, before its model is quarantined
  Time retry_delay =
      std::chrono::milliseconds(100);  ///< before a fetch or collection is tried again; doubles up to 64-fold
  std::uint32_t attempt_block = 1024;  ///< attempts reserved in the journal at a time
};

/// What the coordinator knows of a worker.
struct WorkerState {
  WorkerId id;
  Incarnation incarnation;
  bool alive = false;
  std::vector<Lease> leases;  ///< in the order given: the first one is training
};

/// The law of a unit (model, epoch, partition):
///   1. LEASE: at most one valid lease per model.
///   2. RESULT: the new state is a durable file of the worker's node, and this is its digest.
///   3. COMMIT is appended to the journal and counts once it is SYNCED.
///   4. Training on a state, showing it and deleting its predecessor wait for that.
/// What is no current lease is answered STALE; a repeat of what is committed, COMMITTED. So whatever dies, each unit is
/// committed exactly once.
///
/// `step` is the only entrance: no socket, file, thread, clock or random source inside. The same object runs in
/// production, in the simulator and in replay. Not thread-safe.
class Coordinator {
 public:
  /// Starts from the records of a journal: none for a new run, so that starting and resuming are one path. The first
  /// event must be `Started`. Throws ConfigError for a bad plan, JournalError for records that contradict it.
  Coordinator(Plan plan, std::unique_ptr<Search> search, std::unique_ptr<Policy> policy,
              std::span<const Record> records = {}, CoordinatorOptions options = {});

  /// One event in, what it makes necessary out, in order. After `Finish` nothing more is wanted.
  std::vector<Action> step(const Event& event, Time now);

  const Ledger& ledger() const { return ledger_; }
  std::span<const WorkerState> workers() const { return workers_; }
  bool stopping() const { return stopping_; }
  bool finished() const { return finished_; }

  /// The invariants of this state, spelled out; throws hop::Error that names the one that is broken. Costs O(models).
  void check_invariants() const;

 private:
  // What this life of the coordinator knows of a model beyond the ledger.
  struct Flight {
    enum class State : std::uint8_t { Idle, Leased, Committing, Collecting } state = State::Idle;
    std::optional<Attempt> committing;  // the attempt whose COMMIT is not yet durable
    bool ending = false;                // a QUARANTINE or COLLECTED record is on its way to the disk
    std::uint32_t failures = 0;         // of the unit that is due
    std::uint32_t unreachable = 0;      // fetches of it that failed in a row
    Time not_before{};                  // of the next try
  };
  struct Unsynced {
    std::uint64_t sequence;
    Record record;
    std::optional<Peer> answer;  // who waits to hear COMMITTED
  };

  Ledger ledger_;
  std::unique_ptr<Policy> policy_;
  CoordinatorOptions options_;
  std::vector<WorkerState> workers_;
  std::vector<Flight> flights_;
  std::deque<Unsynced> unsynced_;
  std::uint64_t appended_ = 0;
  Attempt next_attempt_;
  bool started_ = false, stopping_ = false, finished_ = false;
};

}  // namespace hop::hopper
