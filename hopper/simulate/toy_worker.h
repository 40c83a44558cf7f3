// A worker without tensors. It obeys the worker's side of the law, on a simulated disk and network.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "hopper/events.h"
#include "hopper/simulate/scenario.h"

namespace hop::hopper::simulate {

class ToyWorker;

/// The moments at which a worker may die.
enum class Moment : std::uint8_t { GotLease, Training, OnDisk, SentResult, HeardCommitted, GotRelease };

/// The result of reading a state, here or at another worker.
struct Reading {
  enum class Kind : std::uint8_t { Read, Unreachable, Lost, Damaged } kind = Kind::Read;
  HeldState state = {};
};

/// The world as a worker sees it.
class WorkerHost {
 public:
  virtual ~WorkerHost() = default;
  virtual const Scenario& scenario() const = 0;
  virtual void after(Time delay, std::function<void()> task) = 0;
  virtual void send(const Peer& from, Event event) = 0;
  /// A copy of another worker's state, if that worker lives, can be reached and has it.
  virtual Reading fetch(WorkerId reader, WorkerId source, ModelId model, std::uint32_t version) = 0;
  /// A new state is on the disk: troubles of an older state in its place no longer count.
  virtual void wrote(WorkerId worker, ModelId model, std::uint32_t version) = 0;
  /// Whether the worker dies at this moment of a unit. If so, nothing that it does afterwards counts.
  virtual bool dies(WorkerId worker, Moment moment, ModelId model, std::uint32_t unit) = 0;
  /// Whether training this unit throws.
  virtual bool unit_fails(const Lease& lease) = 0;
  /// Whether the unit gives other bits than the last time.
  virtual bool errs(const Lease& lease) = 0;
};

/// The worker's process dies and starts again. Its disk stays, except for states that troubles take.
class ToyWorker {
 public:
  ToyWorker(WorkerId id, WorkerHost& host) : host_(host), peer_{id, {}} {}

  const Peer& peer() const { return peer_; }
  bool alive() const { return alive_; }
  bool connected() const { return connected_; }
  /// The model that it trains at this moment.
  std::optional<ModelId> trains() const;
  /// An undamaged state on its disk, or null.
  const HeldState* find(ModelId model, std::uint32_t version) const;
  Reading read(ModelId model, std::uint32_t version) const;
  /// All states on its disk, damaged or not.
  std::vector<HeldState> disk() const;
  void lose(ModelId model, std::uint32_t version) { disk_.erase({model, version}); }
  void damage(ModelId model, std::uint32_t version) { disk_.at({model, version}).is_damaged = true; }

  /// The process starts with nothing but its disk, and dies (kill -9).
  void start() { alive_ = true; }
  void die();

  /// A new connection begins a new incarnation, which offers the states on the disk. Leases of the old one are dropped.
  void connect();
  /// The connection is gone. If `finishes`, the worker completes the unit in training before it comes back.
  void disconnect(bool finishes);
  bool may_connect() const { return alive_ && !connected_ && !finishing_; }

  void receive(const action::SendLease& message);
  void receive(const action::CancelLease& message);
  void receive(const action::Answer& message);
  void receive(const action::Release& message);

 private:
  struct Task {
    Lease lease;
    bool parent_is_here = false;
  };
  struct File {
    HeldState state;
    bool is_damaged = false;
  };

  void fetch_parent(const Lease& lease);
  void parent_arrived(const Lease& lease, const Reading& parent);
  void fail(const Lease& lease, Failure failure, const std::string& text);
  void train_next();
  void trained(const Lease& lease);
  void saved(const HeldState& state, bool alone);
  void erase(ModelId model, std::uint32_t version, Attempt attempt);
  void forget();
  /// Runs `task` after `delay`, unless the worker has died or begun a new life meanwhile.
  template <class F>
  void later(Time delay, F task);

  WorkerHost& host_;
  Peer peer_;
  std::map<std::pair<ModelId, std::uint32_t>, File> disk_;
  // State that is lost with the process:
  bool alive_ = false;
  bool connected_ = false;
  bool training_ = false;   // the first of the tasks
  bool finishing_ = false;  // it finishes that task without a connection
  std::uint64_t life_ = 0;  // tasks of an older life are void
  std::set<Attempt> seen_;
  std::vector<Task> tasks_;  // sorted by attempt, except for the one in training
};

}  // namespace hop::hopper::simulate
