// The coordinator's inputs and outputs: the whole interface between the pure state machine and the world of sockets,
// files and clocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/ids.h"
#include "hopper/metrics.h"
#include "hopper/records.h"

namespace hop::hopper {

/// The right to train one unit: the holder turns version before(unit) of the model into version after(unit).
///
/// If `members` is not empty, the right is that of a group: its workers train the unit together, and each has the
/// lease, with its own rank. The lead has rank 0. It alone keeps the new state and reports the result.
struct Lease {
  ModelId model{};
  Unit unit{};
  Epoch epoch{};
  PartitionId partition{};           ///< of the unit's first pass: Itinerary::passes has them all
  Attempt attempt{};                 ///< unique in the run: the fencing token
  Digest parent{};                   ///< of version before(unit); zero for unit 0, which is built from the experiment
  std::optional<WorkerId> source{};  ///< the worker to fetch the parent from; none if it is built, or already here
  bool validate = false;             ///< last unit of an epoch: measure the validation set too
  /// The ancestor of a clone whose unit is trained again: its random numbers and its configuration count. None:
  /// `model`.
  std::optional<ModelId> trained_as{};
  /// The model in whose name the parent is stored, if it is another one: the clone's first unit. None: `model`.
  std::optional<ModelId> stored_as{};
  std::vector<WorkerId> members{};  ///< of the group, by rank; empty: one worker trains the unit
  std::uint32_t rank = 0;           ///< of the holder of this lease among them
  /// Of a unit with Replicas::PushGradients that is trained again: the order of its gradients (UnitMetrics::arrivals).
  std::vector<std::uint8_t> arrivals{};

  ModelId identity() const { return trained_as.value_or(model); }
  ModelId parent_owner() const { return stored_as.value_or(model); }
  bool has_group() const { return !members.empty(); }
  bool is_lead() const { return rank == 0; }
  bool operator==(const Lease&) const = default;

  /// `source` and `members` do not travel: a worker gets the addresses of those workers instead.
  static void describe(auto& l, auto&& field) {
    field("model", l.model);
    field("unit", l.unit);
    field("epoch", l.epoch);
    field("partition", l.partition);
    field("attempt", l.attempt);
    field("parent", l.parent);
    field("validate", l.validate);
    field("trained_as", l.trained_as);
    field("stored_as", l.stored_as);
    field("rank", l.rank);
    field("arrivals", l.arrivals);
  }
};

/// The order to keep a copy of a model's newest state at a second worker. The copy is named by an attempt of its own,
/// so an order to delete one copy never means another one of the same version.
struct Copy {
  ModelId model{};
  Version version{};
  Attempt attempt{};                   ///< of the copy, unique in the run like that of a lease
  Digest digest{};                     ///< of the state
  WorkerId source{};                   ///< the worker to fetch it from
  std::optional<ModelId> stored_as{};  ///< the model in whose name the state lies there; none: `model`
  std::uint64_t bytes = 0;             ///< of the state

  ModelId owner() const { return stored_as.value_or(model); }
  bool operator==(const Copy&) const = default;

  static void describe(auto& c, auto&& field) {
    field("model", c.model);
    field("version", c.version);
    field("attempt", c.attempt);
    field("digest", c.digest);
    field("source", c.source);
    field("stored_as", c.stored_as);
    field("bytes", c.bytes);
  }
};

/// A state that a worker found on its disk when it started: version `version` of the model, left by training
/// before(version), which begins with `partition`, under `attempt`.
struct HeldState {
  ModelId model{};
  Version version{};
  PartitionId partition{};
  Attempt attempt{};
  Digest parent{};
  Digest digest{};
  UnitMetrics metrics{};
  bool operator==(const HeldState&) const = default;

  static void describe(auto& s, auto&& field) {
    field("model", s.model);
    field("version", s.version);
    field("partition", s.partition);
    field("attempt", s.attempt);
    field("parent", s.parent);
    field("digest", s.digest);
    field("metrics", s.metrics);
  }
};

/// One life of a worker, as the sender or receiver of a message; lives count from 1. Messages from an older life are
/// ignored or answered Stale. The transport drops messages that it cannot deliver to exactly this life.
struct Peer {
  WorkerId worker{};
  Incarnation incarnation{};
  bool operator==(const Peer&) const = default;
};

enum class Failure : std::uint8_t {
  SourceUnreachable,  ///< the parent state could not be fetched; tried again later
  OutOfMemory,
  Error,         ///< training threw; see the text
  Cancelled,     ///< answers CancelLease: the unit had not begun
  StateLost,     ///< the worker that should hold the parent state says that it has none
  StateDamaged,  ///< the state could not be read, or arrived with another digest; tried again a few times
  MemberLost,    ///< another member of the group could not be reached, or kept the others waiting; tried again later
  SourceGone,    ///< answers SourceGone: the parent state is not here, and no byte of it comes
  NoRoom         ///< no memory for the parent state now: other states have it; tried again later
};

namespace event {

/// The journal is open and restored. The first event of every life of the coordinator.
struct Started {
  std::vector<ModelId> retry = {};  ///< if these models are quarantined, they train on
};
/// A worker said hello. Its leases of an older incarnation are void. Each state that it holds is adopted, kept or
/// released.
struct WorkerUp {
  Peer peer{};
  std::vector<HeldState> held{};
  std::string arithmetic = {};  ///< the facts that decide its bits (arithmetic_of); empty: no record is written
};
/// The connection is gone, or the worker was silent for too long.
struct WorkerDown {
  Peer peer{};
  std::optional<ModelId> trained{};  ///< the model in training at its last sign of life; none if it did not say
};
/// That life of the worker ended by a fault of its own, not by its host: a crash, an exit, all memory used up. Comes
/// before the next life, usually after its WorkerDown. The model that it was training may be the reason.
struct WorkerCrashed {
  Peer peer{};
  std::string how{};                 ///< for people
  std::optional<ModelId> trained{};  ///< as in WorkerDown
};
/// The unit is trained and the new state is a durable file of that node.
struct Result {
  Peer peer{};
  ModelId model{};
  Unit unit{};
  Attempt attempt{};
  Digest digest{};
  UnitMetrics metrics{};
};
struct UnitFailed {
  Peer peer{};
  ModelId model{};
  Unit unit{};
  Attempt attempt{};
  Failure failure = Failure::Error;
  std::string text{};
};
/// A member of a group, not its lead, has trained the unit and is needed no more: it is free. The lead's result follows
/// when the state is durable.
struct Confirmed {
  Peer peer{};
  ModelId model{};
  Attempt attempt{};
};
/// All records up to and including `sequence` are durable.
struct Synced {
  std::uint64_t sequence = 0;
};
/// The time of a SetTimer has come. Late, early or repeated timers do no harm.
struct Timer {};
/// Ctrl-C: units in flight are finished, nothing new begins.
struct StopRequested {};
/// The state of a model that was to be collected is a durable file of the run directory.
struct Collected {
  Peer peer{};  ///< who was asked for it
  ModelId model{};
  StateFile file = StateFile::Last;
  std::uint64_t bytes = 0;
  std::string sha256{};
};
struct CollectFailed {
  Peer peer{};
  ModelId model{};
  std::string text{};
  Failure failure = Failure::SourceUnreachable;  ///< or StateLost, StateDamaged
};
/// The copy that was ordered under this attempt is a durable file of that node.
struct Copied {
  Peer peer{};
  ModelId model{};
  Attempt attempt{};
};
/// There will be no copy under this attempt.
struct CopyFailed {
  Peer peer{};
  ModelId model{};
  Attempt attempt{};
  std::string text{};
};
/// The worker is asked to go (Ctrl-C). It takes no more leases, and goes when `SendHome` says that nobody needs its
/// states any more, or when its own patience ends.
struct WorkerLeaves {
  Peer peer{};
};

}  // namespace event

using Event =
    std::variant<event::Started, event::WorkerUp, event::WorkerDown, event::Result, event::UnitFailed, event::Synced,
                 event::Timer, event::StopRequested, event::Collected, event::CollectFailed, event::WorkerCrashed,
                 event::Copied, event::CopyFailed, event::WorkerLeaves, event::Confirmed>;

/// The answer to a RESULT. Committed: the unit counts, and its COMMIT is durable. Stale: the result does not count;
/// delete the state that this attempt left.
enum class Verdict : std::uint8_t { Committed, Stale };

/// How a run ended. Interrupted runs can be resumed.
enum class Outcome : std::uint8_t { Completed, Interrupted };

namespace action {

/// Append to the journal; `sequence` is the record's number there. Report `Synced` when it is durable.
struct Append {
  std::uint64_t sequence = 0;
  Record record{};
};
/// The worker trains its leases in the order in which it gets them, and fetches the parents meanwhile. It ignores an
/// attempt that it has seen before in this life. A group gets one order for each member.
struct SendLease {
  Peer peer{};
  Lease lease{};
};
/// Give the lease back (UnitFailed, Cancelled) if its unit has not begun; otherwise finish it as usual. With `abandon`
/// the lease is void, because its group has lost a member: give the unit up, in the middle, too.
struct CancelLease {
  Peer peer{};
  ModelId model{};
  Attempt attempt{};
  bool abandon = false;
};
/// The worker from which the state for this lease or copy comes is gone. Give the order back (UnitFailed, SourceGone;
/// or CopyFailed) if the state is not here and no byte of it comes any more; otherwise go on. A machine that was
/// unplugged closes no connection, so the reader itself would wait until its patience ends. But bytes may still come:
/// those that the coordinator relays, or those of a worker that only the coordinator does not reach.
struct SourceGone {
  Peer peer{};
  Attempt attempt{};  ///< of the lease or the copy
};
struct Answer {
  Peer peer{};
  ModelId model{};
  Unit unit{};
  Attempt attempt{};
  Verdict verdict = Verdict::Stale;
};
/// Delete this version if `attempt` left it: it will not be needed again. A missing version is no error.
struct Release {
  Peer peer{};
  ModelId model{};
  Version version{};
  Attempt attempt{};
};
/// Fetch the state of the model into the run directory; report Collected or CollectFailed.
struct SendCollect {
  Peer peer{};
  ModelId model{};
  StateFile file = StateFile::Last;
  Version version{};
  Digest digest{};
};
/// Keep a copy of this state; report Copied or CopyFailed. Copies yield to units.
struct SendCopy {
  Peer peer{};
  Copy copy{};
};
/// A worker that leaves may end now: the run goes on without its states.
struct SendHome {
  Peer peer{};
};
/// Report `Timer` at this time or later.
struct SetTimer {
  Time at{};
};
/// The run is over; everything that was announced is durable. The last action.
struct Finish {
  Outcome outcome = Outcome::Completed;
};

}  // namespace action

using Action = std::variant<action::Append, action::SendLease, action::CancelLease, action::Answer, action::Release,
                            action::SendCollect, action::SetTimer, action::Finish, action::SendCopy, action::SendHome,
                            action::SourceGone>;

}  // namespace hop::hopper
