// Grid search: every combination.
#pragma once

#include "hopper/search/search.h"
#include "hopper/search/space.h"

namespace hop::hopper {

/// The cartesian product of the lists, in declared order, the last name fastest: lr = [a, b], width = [1, 2] gives
/// (a, 1), (a, 2), (b, 1), (b, 2). Every model trains all epochs.
class GridSearch final : public Search {
 public:
  /// Throws ConfigError for a bad space and for a range, which a grid cannot enumerate.
  explicit GridSearch(Space space);
  std::optional<Proposal> ask() override;

  /// How many combinations there are.
  std::uint64_t size() const { return size_; }

 private:
  Space space_;
  std::uint64_t size_ = 1;
  std::uint64_t next_ = 0;
};

}  // namespace hop::hopper
