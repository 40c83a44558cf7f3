// The worker's inputs and outputs: the whole interface between the pure machine `Jobs` and the world of threads,
// sockets and disks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/ids.h"
#include "hopper/events.h"

namespace hop::hopper::worker {

/// A state of a model as a thing that lies somewhere: version `version`, left by `attempt`.
struct StateName {
  ModelId model{};
  Version version{};
  Attempt attempt{};
  bool operator==(const StateName&) const = default;
};

/// The reason why a life of a worker cannot go on.
enum class Trouble : std::uint8_t {
  Connection,  ///< the coordinator is gone: the next life offers the states that are on the disk
  Device,      ///< this process cannot use its device any more
  Disk         ///< a state cannot be made durable (the disk is full): the run ends and can be resumed
};

namespace event {

/// The data are open, and these states were found on the disk. The first event of a life.
struct Opened {
  std::vector<HeldState> held{};
};
/// From the coordinator: train this unit. `source` is the address of the worker that has the parent; empty if the
/// parent is here, or is made from the experiment (unit 0).
struct Leased {
  Lease lease{};
  std::string source{};
};
/// From the coordinator: give the lease back if its unit has not begun. `abandon`: its group has lost a member, so give
/// it back in the middle, too.
struct Cancelled {
  Attempt attempt{};
  bool abandon = false;
};
/// The coordinator says that the worker from which the parent of this job, or this copy, comes is gone, and no byte of
/// it comes any more. Give the order back if the state is not here.
struct SourceGone {
  Attempt attempt{};
};
/// From the coordinator: the answer to a result.
struct Answered {
  ModelId model{};
  Unit unit{};
  Attempt attempt{};
  Verdict verdict = Verdict::Stale;
};
/// From the coordinator: nobody will need this state again.
struct Released {
  StateName state{};
};
/// From another worker, or the coordinator at the end of a model: send this version. The answer bears the ticket.
struct Wanted {
  std::uint64_t ticket = 0;
  ModelId model{};
  Version version{};
};
/// From the coordinator: keep a copy of this state. `source` is the address of the worker that has it.
struct CopyOrdered {
  Copy copy{};
  std::string source{};
};
/// The bytes of a copy are in memory, and this is their digest.
struct CopyArrived {
  Attempt attempt{};
  Digest digest{};
};
/// The copy is a synced file with this digest.
struct CopySaved {
  Attempt attempt{};
  Digest digest{};
};
/// FetchCopy or SaveCopy could not be carried out. (A disk without room for copies still has room for units.)
struct CopyFailed {
  Attempt attempt{};
  std::string text{};
};
/// The job has a place to be trained in, or will find one when it begins.
struct Prepared {
  Attempt attempt{};
};
/// The bytes of the parent are in memory, and this is their digest.
struct Arrived {
  Attempt attempt{};
  Digest digest{};
};
/// The unit is trained; its new state waits in memory. In a group: the lead has the state of the group.
struct Trained {
  Attempt attempt{};
  UnitMetrics metrics{};
};
/// The new state is a synced file with this digest.
struct Saved {
  Attempt attempt{};
  Digest digest{};
};
/// An order for this job could not be carried out: Prepare, Fetch, Read, Train, or the state's way out of its device.
struct Failed {
  Attempt attempt{};
  Failure failure = Failure::Error;
  std::string text{};
};
/// The file of a state is gone, or failed its check and was set aside.
struct Vanished {
  StateName state{};
};
/// This life cannot go on.
struct Broken {
  Trouble trouble = Trouble::Connection;
  std::string text{};
};

}  // namespace event

using Event = std::variant<event::Opened, event::Leased, event::Cancelled, event::Answered, event::Released,
                           event::Wanted, event::Prepared, event::Arrived, event::Trained, event::Saved, event::Failed,
                           event::Vanished, event::Broken, event::CopyOrdered, event::CopyArrived, event::CopySaved,
                           event::CopyFailed, event::SourceGone>;

namespace action {

/// Tell the coordinator which states are here, and that leases may come.
struct Offer {
  std::vector<HeldState> held{};
};
/// Find a place to train this unit in. Report Prepared or Failed.
struct Prepare {
  Lease lease{};
};
/// Get the parent from the worker at `source`. Report Arrived or Failed.
struct Fetch {
  Lease lease{};
  std::string source{};
};
/// Get the parent from the own disk, as bytes that may be trained on. Report Arrived or Failed.
struct Read {
  Lease lease{};
};
/// Train the unit, in the place and on the bytes of its job, with the other members of its group. Report Trained or
/// Failed.
struct Train {
  Lease lease{};
  Time ordered{};                    ///< when the lease came
  std::optional<Time> free_since{};  ///< when the unit before it ended; none for the first unit of a life
};
/// Break the unit in training off as soon as possible. Report Failed, or Trained if it was too late.
struct Abandon {
  Attempt attempt{};
};
/// The job is over: its place and its bytes are free.
struct Drop {
  Attempt attempt{};
};
/// Make the new state a synced file, which replaces any other of this model and version. Report Saved or Failed, or
/// Broken if the disk refuses. `state.digest` is not known yet.
struct Save {
  HeldState state{};
};
/// There is nothing else to do: copy a state in advance, for a unit that may go on here.
struct CopyAhead {
  StateName state{};
};
/// Delete the file of a state, after everything that the disk was told before.
struct Delete {
  StateName state{};
};
/// Send the state as the answer to the ticket. Report Vanished if it cannot be found.
struct Serve {
  std::uint64_t ticket = 0;
  StateName state{};
};
/// Say that the version is not here.
struct Refuse {
  std::uint64_t ticket = 0;
  std::string text{};
  bool released = false;  ///< it was here until the coordinator released it: nobody needs it, and nothing is lost
};
/// Tell the coordinator: the unit is done, and its state is a durable file with this digest.
struct TellResult {
  HeldState state{};
};
/// Tell the coordinator: this member of a group has trained the unit and is free.
struct TellConfirmed {
  Lease lease{};
};
/// Tell the coordinator: the unit is not done.
struct TellFailed {
  Lease lease{};
  Failure failure = Failure::Error;
  std::string text{};
};
/// Get the bytes of a state from the worker at `source`, and what the source knows about it. Report CopyArrived or
/// CopyFailed.
struct FetchCopy {
  Copy copy{};
  std::string source{};
};
/// Make the copy a synced file under the name of the order. Report CopySaved or CopyFailed.
struct SaveCopy {
  Copy copy{};
};
/// Tell the coordinator: the copy is a durable file.
struct TellCopied {
  Copy copy{};
};
/// Tell the coordinator: there is no such copy. Its bytes are free.
struct TellNotCopied {
  Copy copy{};
  std::string text{};
};
/// End this life. The unit in training is abandoned; the disk finishes the work that it was given. The last action.
struct End {
  Trouble trouble = Trouble::Connection;
  std::string text{};
};

}  // namespace action

using Action = std::variant<action::Offer, action::Prepare, action::Fetch, action::Read, action::Train, action::Drop,
                            action::Save, action::CopyAhead, action::Delete, action::Serve, action::Refuse,
                            action::TellResult, action::TellFailed, action::End, action::FetchCopy, action::SaveCopy,
                            action::TellCopied, action::TellNotCopied, action::Abandon, action::TellConfirmed>;

}  // namespace hop::hopper::worker
