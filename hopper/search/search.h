// Model selection: which configurations to train, and for how long.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "hopper/metrics.h"
#include "hopper/search/proposal.h"

namespace hop::hopper {

/// Models of a run at most: each takes memory from the start.
inline constexpr std::uint32_t kMostModels = 1U << 20;

/// A model-selection procedure. Pure: its answers are a function of its construction and of the calls so far.
///
/// Time passes in ticks: all living models train one epoch per tick. At the end of a tick the search is told about each
/// model that took part, by id, whatever the order of arrival. Then it gives its orders, and asks for new models, which
/// train from the next tick on. So the answers do not depend on the number of workers, nor on faults:
///
///   ask ask ... ask | tell tell withdrawn tell, end_of_tick, ask ask | tell tell ...
///
/// The journal keeps the requests and the orders, and a resumed run obeys the journal: a new object hears the same
/// calls again, and its answers are put aside.
class Search {
 public:
  virtual ~Search() = default;

  /// The next model, or none for now. Called until it gives none: at the start, and after each end_of_tick(). A search
  /// that asks for more than kMostModels in all ends the run with a ConfigError.
  virtual std::optional<Proposal> ask() = 0;

  /// The proposal has become this model. In a resumed run it is the proposal of the journal, which may differ from the
  /// last answer of ask() if a library computes otherwise than before.
  virtual void asked(ModelId, const Proposal&) {}

  /// `model` ended its epoch `epoch` (from 0).
  virtual void tell(ModelId, Epoch /*epoch*/, const EpochMetrics&) {}

  /// No more tell() follows for `model`. (If a person brings a quarantined model back, tell() follows again.)
  virtual void withdrawn(ModelId, Withdrawal) {}

  /// The tick is over: returns the orders, at most one per model. Stop, Pause and SetEpochs are for models that wait at
  /// a barrier, Resume is for paused ones; Stop and SetEpochs also take paused ones. If no model is left that trains,
  /// and the search asks for none, paused models are stopped, and the run ends.
  virtual std::vector<SearchOrder> end_of_tick() { return {}; }

  /// Whether a model waits at the end of its epoch `epoch` (from 0) until the orders of that tick are in the journal.
  /// The answer must always be the same. If no model waits, workers never stand still for the search. A clone can begin
  /// at once with the state of a model that waits; an older state may have to be trained again.
  virtual bool barrier_at(Epoch /*epoch*/) const { return false; }
};

}  // namespace hop::hopper
