// The conversation of a run with its search: the calls that the search hears, and the records of its answers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "hopper/ledger.h"
#include "hopper/records.h"
#include "hopper/search/search.h"

namespace hop::hopper {

/// Throws ConfigError for a clone that cannot begin with the state of its parent. `ancestors` has the configurations of
/// its parent, of its parent's parent, and so on.
using CheckClone = std::function<void(const record::Asked& clone, std::span<const Config* const> ancestors)>;

/// Speaks with the search once per tick, and in one order: each model of the tick by id, then the orders, then the
/// proposals. Pure, as the search is.
class SearchTalk {
 public:
  /// Finds the state that a clone begins with; none if it is not left.
  using FindState = std::function<std::optional<record::Place>(const Parent& parent)>;

  /// Null: nobody can decide. Then a model waits at the end of each epoch that is not decided in the journal.
  explicit SearchTalk(std::unique_ptr<Search> search, CheckClone check_clone = {})
      : search_(std::move(search)), check_clone_(std::move(check_clone)) {}

  bool can_decide() const { return search_ != nullptr; }

  /// The tick in progress is over: the records of its decision, a Ticked as the last one. Throws ConfigError for an
  /// answer that no run can follow.
  std::vector<Record> decide(const Ledger& ledger, const FindState& find_state);

  /// The same conversation when the journal has the decision already: the search's own answers are put aside. Called
  /// before `ticked` is applied.
  void repeat(const Ledger& ledger, const record::Ticked& ticked);

  /// Whether the model stands at the end of an epoch whose tick must be decided before it goes on.
  bool holds_back(const Ledger& ledger, const Model& model) const;

 private:
  // The next proposal, when there are `models` models already.
  std::optional<Proposal> ask(std::size_t models);
  void tell(const Ledger& ledger);

  std::unique_ptr<Search> search_;
  CheckClone check_clone_;
};

}  // namespace hop::hopper
