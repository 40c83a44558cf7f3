// A simulated worker: the real machine `worker::Jobs`, on a toy disk and with a toy trainer.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "hopper/simulate/toy_disk.h"
#include "hopper/simulate/world.h"

namespace hop::hopper::simulate {

/// Executes the actions of the machine in virtual time. A life is a process with one connection: both begin with
/// `connect` and end together. The disk stays.
class Node {
 public:
  Node(WorkerId id, World& world) : world_(world), disk_(world), peer_{id, {}} {}

  const Peer& peer() const { return peer_; }
  /// Whether its process runs, and whether the coordinator knows it.
  bool alive() const { return alive_; }
  bool connected() const { return connected_; }
  /// The model that it trains at this moment.
  std::optional<ModelId> trains() const;
  ToyDisk& disk() { return disk_; }
  const ToyDisk& disk() const { return disk_; }

  /// The process starts with nothing but its disk.
  void start() { alive_ = true; }
  /// kill -9: nothing or a part is left of a state that was being written.
  void die();
  /// Offers the states on the disk to the coordinator, in a new life.
  void connect();
  /// The connection is gone: the machine hears it and ends. Its disk finishes the work that it was given.
  void disconnect();

  void receive(const action::SendLease& message);
  void receive(const action::CancelLease& message);
  void receive(const action::SourceGone& message);
  void receive(const action::Answer& message);
  void receive(const action::Release& message);
  void receive(const action::SendCopy& message);
  /// The unit that this worker trains in a group has ended.
  void hear_end(Attempt attempt, GroupEnd end);
  /// The answer to a worker or a coordinator that wants a state.
  Reading give(ModelId model, Version version);

 private:
  void step(worker::Event event);
  template <class A>
  void execute(const A& action);  // one for each action of the machine

  void arrive(const Lease& lease, const Reading& parent);
  void trained(const Lease& lease);
  void finish(const Lease& lease);
  void saved(const HeldState& state);
  void end_life();
  /// Runs `task` after `delay`, unless this life has ended by then.
  template <class F>
  void later(Time delay, F task);

  World& world_;
  ToyDisk disk_;
  Peer peer_;
  // Lost with the process:
  bool alive_ = false;
  bool connected_ = false;
  std::uint64_t life_ = 0;  // tasks of an older life are void
  worker::Jobs jobs_;
  std::deque<worker::Event> events_;
  bool stepping_ = false;
  std::optional<Lease> together_;        // the unit that it trains in a group
  Reading answer_;                       // to the request for a state
  std::map<Attempt, Digest> parents_;    // that arrived, by job
  std::map<Attempt, Digest> results_;    // that wait to be saved
  std::map<Attempt, HeldState> copies_;  // that arrived
  std::deque<HeldState> writes_;         // states on their way to the disk, the first one is being written
};

}  // namespace hop::hopper::simulate
