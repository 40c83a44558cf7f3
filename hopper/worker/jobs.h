// The law of a worker: a pure state machine, the counterpart of the coordinator.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hopper/worker/events.h"

namespace hop::hopper::worker {

/// The way of a unit through a worker. A job only moves forward, one stage at a time (unit 0 has nothing to fetch).
enum class Stage : std::uint8_t {
  Ordered,   ///< leased; a place to train it in is looked for
  Fetching,  ///< its parent is on the way, from the disk or from another worker
  Arrived,   ///< its parent is here; it waits for its turn
  Training,  ///< one job at a time
  Leaving,   ///< trained; its new state is on the way to the disk
  Durable    ///< its new state is a file and the result is told; it waits for the coordinator's answer
};

struct Job {
  Lease lease{};
  std::string source{};  ///< where its parent comes from; empty: from here, or from the experiment
  Stage stage = Stage::Ordered;
  Time ordered{};          ///< when the lease came
  UnitMetrics metrics{};   ///< from Leaving on
  bool abandoned = false;  ///< in training, and its group is no more

  bool has_begun() const { return stage >= Stage::Training; }
};

/// The way of a copy of another worker's state. Only the first one of the list is on its way.
enum class CopyStage : std::uint8_t {
  Waiting,   ///< ordered; parents of units are fetched first
  Fetching,  ///< its bytes are on the way from the other worker
  Leaving    ///< its bytes are on the way to the disk
};

struct CopyJob {
  Copy copy{};
  std::string source{};
  CopyStage stage = CopyStage::Waiting;
};

/// The worker's side of the law of a unit:
///   1. An attempt that was seen before in this life is ignored.
///   2. Units are trained in the order of their leases, one at a time, each on a parent with the digest of its lease.
///   3. RESULT is told when the new state is a durable file of this node, and says its digest.
///   4. Only durable states are offered and sent. A state is deleted when the coordinator says so, and only the state
///      of the attempt that it names.
///   5. A lease is given back only before its unit begins. A group that has lost a member gives it back at any time. If
///      the parent's source is gone, the lease is given back only before the parent is here. Of a group, the members
///      whose parent is here are then told to abandon the unit. They drop the parent, although it may be the last one.
/// 6. A parent that cannot be had, and a disk that is full, are no faults of the model. The first is reported as its
/// own kind of failure. The second ends the run, which can be resumed.
/// A copy is told when it is a durable file with the digest of its order, and yields to units: it waits while a parent
/// is fetched, and is given up when a unit makes the same version here.
/// Of a group, every member trains the unit on the same parent. The lead saves the new state and tells the result; the
/// others drop it and confirm.
/// 7. Without its coordinator a worker ends, in the middle of a unit, too. The next life offers the states on the disk.
///
/// `step` is the only entrance: no socket, file, thread or clock inside. The same object runs in production and in the
/// simulator. Not thread-safe.
class Jobs {
 public:
  /// Takes one event and returns the actions that it makes necessary, in order. After `End` there are no more actions.
  std::vector<Action> step(const Event& event, Time now);

  /// All jobs: those that have not begun stand in the order of their leases.
  std::span<const Job> jobs() const { return jobs_; }
  /// The job of this attempt, or null.
  const Job* find(Attempt attempt) const;
  /// The job in training, or null.
  const Job* training() const;
  /// The copies that were ordered and are not here yet, in their order.
  std::span<const CopyJob> copies() const { return copies_; }
  /// Whether a durable state of this name is here.
  bool holds(const StateName& state) const;
  bool ended() const { return ended_; }

 private:
  using Key = std::pair<ModelId, Version>;
  struct Held {
    Attempt attempt;
    Digest digest;
  };

  void on(const event::Opened& opened);
  void on(const event::Leased& leased);
  void on(const event::Cancelled& cancelled);
  void on(const event::SourceGone& gone);
  void on(const event::Answered& answered);
  void on(const event::Released& released) { release(released.state); }
  void on(const event::Wanted& wanted);
  void on(const event::Prepared& prepared);
  void on(const event::Arrived& arrived);
  void on(const event::Trained& trained);
  void on(const event::Saved& saved);
  void on(const event::Failed& failed);
  void on(const event::Vanished& vanished);
  void on(const event::Broken& broken);
  void on(const event::CopyOrdered& ordered);
  void on(const event::CopyArrived& arrived);
  void on(const event::CopySaved& saved);
  void on(const event::CopyFailed& failed);

  Job* find(Attempt attempt, Stage stage);
  void look_for_parent(Job& job);
  void arrive(Job& job);
  void begin_next();
  void confirm(const Job& job);
  void give_up(Attempt attempt, Failure failure, std::string text);
  void hold(Key key, Held state);
  void release(const StateName& state);
  std::vector<CopyJob>::iterator find_copy(Attempt attempt, CopyStage stage);
  bool makes(ModelId model, Version version) const;
  void fetch_next_copy();
  void give_up_copy(std::vector<CopyJob>::iterator copy, std::string text);
  bool is_new(Attempt attempt);
  template <class A>
  void emit(A action) {
    actions_.emplace_back(std::move(action));
  }

  std::vector<Job> jobs_;
  std::vector<CopyJob> copies_;
  std::map<Key, Held> held_;   // the durable states of this node
  std::deque<Key> released_;   // the latest ones: somebody may still ask for them
  std::vector<Attempt> seen_;  // in this life, sorted
  std::optional<Time> free_since_;
  bool ended_ = false;
  Time now_{};
  std::vector<Action> actions_;
};

}  // namespace hop::hopper::worker
