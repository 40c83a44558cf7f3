// The lines that people read about a run while it goes on. Pure: (event, action, ledger) -> lines; no clock, file or
// screen. Internal to Hopscotch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hopper/events.h"
#include "hopper/ledger.h"

namespace hop::hopper {

/// How a life of a worker was lost.
struct LostLife {
  std::string why;                 ///< how the loss showed: "silent for 2.5 s", a broken connection
  bool was_ready = false;          ///< whether it could be given leases
  std::optional<Lease> in_hand{};  ///< the unit that it had in training
};

/// Remembers unfinished stories: if a unit is lost with its worker, the fate of the unit is told later, once it is
/// known.
class Narrator {
 public:
  using Lines = std::vector<std::string>;

  explicit Narrator(std::uint32_t workers) : stories_(workers) {}

  /// The lines for an event by itself.
  Lines hear(const Event& event) const;
  /// The lines for an action of the coordinator. `ledger` is as it was when the action was decided. `process` is that
  /// of the worker's present life, for a person who wants to look at it; 0 if it has none.
  Lines tell(const Action& action, const Ledger& ledger, int process = 0);
  /// The worker whose process matters to `tell`, if any.
  static std::optional<WorkerId> subject(const Action& action);

  /// A worker is lost. Its end is not known yet.
  void lost(WorkerId worker, LostLife life);
  /// How its life ended. When the run is over, only a story that waits for this is told.
  Lines ended(WorkerId worker, const std::string& how, bool run_is_over);
  /// The same for a worker that was asked to end. `handed_over`: nobody needed its states any more.
  Lines left(WorkerId worker, bool handed_over, const Ledger& ledger, bool run_is_over);
  /// Whether the last life of this worker was lost in the middle of a unit whose fate is not told yet.
  bool lost_a_unit(WorkerId worker) const { return stories_[worker.index()].in_hand.has_value(); }

 private:
  struct Story {
    LostLife life;
    std::optional<Lease> in_hand;  // until its fate is told
    std::string epilogue;          // a line that waits until the loss is told
    bool ends = false;             // lost, and its end is not known yet
  };

  Lines tell(const action::Append& append, const Ledger& ledger, int process);
  Lines tell(const action::SendLease& sent, const Ledger& ledger, int process);
  template <class A>
  Lines tell(const A&, const Ledger&, int) {
    return {};
  }
  // The lines for a record that is about to be durable.
  Lines write(const record::Commit& commit, const Ledger& ledger, int process);
  Lines write(const record::Quarantine& quarantine, const Ledger& ledger, int process);
  Lines write(const record::Rollback& rollback, const Ledger& ledger, int process) const;
  Lines write(const record::Moved& moved, const Ledger& ledger, int process) const;
  Lines write(const record::Retry& retry, const Ledger& ledger, int process) const;
  Lines write(const record::Arithmetic& now, const Ledger& ledger, int process);
  template <class R>
  Lines write(const R&, const Ledger&, int) const {
    return {};
  }
  Lines conclude(Story& story, std::string line);
  Lines tell_takeover(const action::SendLease& sent, const Ledger& ledger);
  Lines tell_fate(WorkerId worker, ModelId model, Unit unit, const std::string& verb, int process);

  std::vector<Story> stories_;  // of each worker
  bool told_of_change_ = false;
};

}  // namespace hop::hopper
