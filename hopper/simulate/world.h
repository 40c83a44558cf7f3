// The world as a simulated worker sees it: time, the network, the duration and the result of training, and troubles.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "hopper/events.h"
#include "hopper/worker/jobs.h"

namespace hop::hopper::simulate {

/// How a group ends, for one of its members.
enum class GroupEnd : std::uint8_t { Trained, MemberLost, Threw };

/// The moments at which a worker may die.
enum class Moment : std::uint8_t { GotLease, Training, OnDisk, SentResult, HeardCommitted, GotRelease };

/// The result of reading a state, here or at another worker.
struct Reading {
  enum class Kind : std::uint8_t { Read, Unreachable, Lost, Unreadable, Released } kind = Kind::Read;
  Digest digest{};    ///< of the bytes, if they were read
  HeldState state{};  ///< what its file says about it
};

/// Everything around the workers. Without an override a world has no troubles.
class World {
 public:
  virtual ~World() = default;
  virtual Time now() const = 0;
  virtual void after(Time delay, std::function<void()> task) = 0;
  /// Passes an event to the worker's machine.
  virtual std::vector<worker::Action> step(WorkerId worker, worker::Jobs& jobs, const worker::Event& event) = 0;

  /// A message to the coordinator.
  virtual void send(const Peer& from, Event event) = 0;
  /// How long a state of the model is on its way from one worker to another.
  virtual Time transfer_time(ModelId model) const = 0;
  /// A copy of another worker's state, if that worker lives, can be reached and has it.
  virtual Reading fetch(WorkerId reader, WorkerId source, ModelId model, Version version) = 0;

  /// The worker begins the unit of its group. When all members have begun, they train together, and each one's Node
  /// hears of the end. scatter() ends it before, for all of them.
  virtual void gather(WorkerId worker, const Lease& lease) = 0;
  virtual void scatter(Attempt attempt) = 0;

  /// Whether the worker gets the rows of a unit that no group shares: those of other nodes come from their workers.
  virtual bool gets_rows(WorkerId, const Lease&) { return true; }
  /// How long the worker trains this unit. Of a group: its part of it.
  virtual Time unit_time(WorkerId worker, const Lease& lease) = 0;
  /// The result of training it on a parent with this digest: the measurements, and the digest of the new state.
  virtual std::pair<UnitMetrics, Digest> train(WorkerId worker, const Lease& lease, const Digest& parent) = 0;
  /// How long the disk takes to make a new state durable, and to delete one.
  virtual Time save_time() { return {}; }
  virtual Time delete_time() { return {}; }

  /// The state is on the disk: troubles of an older state in its place no longer count.
  virtual void wrote(WorkerId, const HeldState&) {}
  /// Whether the worker dies at this moment of a unit. If it does, nothing that it does afterwards counts.
  virtual bool dies(WorkerId, Moment, ModelId, Unit /*unit*/) { return false; }
  /// Whether training this unit throws.
  virtual bool unit_fails(const Lease&) { return false; }
  /// Whether the disk has no room for a new state.
  virtual bool is_full() { return false; }
  /// Whether a state that a dying worker was writing is left under its name, incomplete.
  virtual bool is_torn(WorkerId, ModelId, Version /*version*/) { return false; }
  /// The worker ended its life by itself.
  virtual void ended(const Peer&, worker::Trouble) {}
};

}  // namespace hop::hopper::simulate
