// The judge of one simulated worker. It sees all events and actions of the worker's machine, keeps its own books, and
// shares no code with the machine.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hopper/worker/events.h"

namespace hop::hopper::simulate {

/// Checks of every life:
///   - the states on the disk are offered, and no others;
///   - an attempt is taken up once, and its unit is trained once;
///   - units are trained one at a time, in the order of their leases, on the parent of the lease;
///   - a lease is given back before its unit begins, and is not trained then;
///   - a lease or a copy whose source is gone is given back, unless the state is here;
///   - a lease that comes to nothing is given back;
///   - a result names the file that was saved, and is told when the file is durable;
///   - the lead of a group saves the state of its unit, another member confirms the unit and saves nothing;
///   - a lease that was void before it came is not taken up;
///   - no trouble of a machine is told as a fault of the model;
///   - a copy is taken up once, has the digest of its order, is told when it is durable, and each order is answered once;
///   - only durable states are sent;
///   - a state is deleted when the coordinator says so, at once, and only the state that it names;
///   - a worker that cannot go on ends.
/// Throws Violation.
class WorkerChecker {
 public:
  /// The file of this model and version on the disk of the worker, whole or not; null if there is none.
  using File = std::function<std::optional<HeldState>(ModelId, Version version)>;

  explicit WorkerChecker(File file) : file_(std::move(file)) {}

  void hears(const worker::Event& event);
  void sees(const worker::Action& action);
  /// The event and all its actions have been seen: checks that the step did everything that it had to do.
  void after_step();

 private:
  struct Watched {
    Lease lease;
    std::optional<Digest> parent;  // that arrived
    std::optional<Digest> file;    // that was saved
    std::vector<Failure> failures;
    bool is_here = false;   // its parent comes from the own disk
    bool prepared = false;  // the machine has taken it up
    bool cancelled = false, abandoned = false, source_gone = false;
    bool begun = false, trained = false, told = false, given_up = false;
  };

  struct WatchedCopy {
    Copy copy;
    std::optional<Digest> arrived;
    bool saved = false, answered = false;
  };

  void note(const worker::event::Opened& opened);
  void note(const worker::event::Leased& leased);
  void note(const worker::event::Cancelled& cancelled);
  void note(const worker::event::SourceGone& gone);
  void note(const worker::event::Answered& answered);
  void note(const worker::event::Released& released) { must_delete(released.state); }
  void note(const worker::event::Arrived& arrived);
  void note(const worker::event::Trained& trained);
  void note(const worker::event::Saved& saved);
  void note(const worker::event::Failed& failed);
  void note(const worker::event::Broken& broken);
  void note(const worker::event::CopyOrdered& ordered);
  void note(const worker::event::CopyArrived& arrived);
  void note(const worker::event::CopySaved& saved);
  template <class E>
  void note(const E&) {}

  void judge_hopeless(Attempt attempt) const;
  void judge(const worker::action::Offer& offer) const;
  void judge(const worker::action::Prepare& prepare);
  void judge(const worker::action::Train& train);
  void judge(const worker::action::Drop& drop) { dropped_ = drop.attempt; }
  void judge(const worker::action::Save& save) const;
  void judge(const worker::action::Delete& order);
  void judge(const worker::action::Serve& serve) const;
  void judge(const worker::action::TellResult& tell);
  void judge(const worker::action::TellFailed& tell);
  void judge(const worker::action::TellConfirmed& tell);
  void judge(const worker::action::End& end);
  void judge(const worker::action::SaveCopy& save);
  void judge(const worker::action::TellCopied& tell);
  void judge(const worker::action::TellNotCopied& tell);
  template <class A>
  void judge(const A&) const {}

  Watched& known(Attempt attempt, const char* promise, ModelId model);
  WatchedCopy& known_copy(const Copy& copy);
  void must_delete(const worker::StateName& state);
  bool is_replaced(const worker::StateName& state) const;

  File file_;
  std::vector<HeldState> found_;  // on the disk when this life began
  std::map<Attempt, Watched> units_;
  std::map<Attempt, WatchedCopy> copies_;
  std::set<Attempt> void_;                   // that were abandoned before they came
  std::vector<worker::StateName> released_;  // by the coordinator
  std::optional<worker::StateName> owed_;    // must be deleted in this step
  std::optional<Attempt> dropped_;           // must be given back in this step
  std::optional<Attempt> hopeless_;          // likewise: a lease or a copy whose state nobody will send
  std::optional<worker::Trouble> broken_;
  bool has_ended_ = false;
};

}  // namespace hop::hopper::simulate
