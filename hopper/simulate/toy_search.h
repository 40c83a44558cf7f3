// The searches of simulated runs, and the fates that they give to models.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hopper/ledger.h"
#include "hopper/search/search.h"
#include "hopper/simulate/scenario.h"

namespace hop::hopper::simulate {

/// The search of the scenario.
std::unique_ptr<Search> make_search(const Scenario& scenario);

/// The accuracy that a worker measures at the end of an epoch: a function of the scenario alone.
double toy_accuracy(const Scenario& scenario, ModelId model, Epoch epoch);

/// The fate that a model must have, with any troubles.
struct Fate {
  Status status = Status::Running;
  std::uint32_t units = 0;         ///< committed units, those of its ancestors included
  std::optional<Parent> parent{};  ///< of a clone
  std::uint32_t inherited = 0;     ///< units of its ancestors
};

/// The run of a scenario without workers, journal and troubles: one model after the other, tick by tick.
struct CalmRun {
  std::vector<Fate> fates{};         ///< by model
  std::vector<std::string> calls{};  ///< that the search hears, in order

  /// The model whose unit this is.
  ModelId ancestor(ModelId model, Unit unit) const;
};
CalmRun calm_run(const Scenario& scenario);

/// `search`, which must hear these calls in this order. Throws Violation at the first call that differs. `heard` counts
/// the calls.
std::unique_ptr<Search> witness(std::unique_ptr<Search> search, const std::vector<std::string>& calls,
                                std::size_t& heard);

}  // namespace hop::hopper::simulate
