// Hyperband (Li et al., JMLR 2018): brackets of successive halving, from many models with few epochs to few models with
// all epochs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "hopper/search/halving.h"

namespace hop::hopper {

/// All brackets at once. Each bracket stops its own models at the ends of its own rungs. The bracket with the most
/// rungs is asked first.
class HyperbandSearch final : public Search {
 public:
  /// Gives the models of the first rung of the bracket with so many rungs.
  using Configs = std::function<std::unique_ptr<Search>(std::size_t rungs, std::uint32_t models)>;

  /// The longest bracket of `options`, and all that have fewer rungs; `skip` and `models` do not count. Throws
  /// ConfigError as bracket() does.
  HyperbandSearch(BracketOptions options, Objective objective, const Configs& configs);

  std::optional<Proposal> ask() override;
  void asked(ModelId model, const Proposal& proposal) override;
  void tell(ModelId model, Epoch epoch, const EpochMetrics& metrics) override;
  void withdrawn(ModelId model, Withdrawal why) override;
  std::vector<SearchOrder> end_of_tick() override;
  bool barrier_at(Epoch epoch) const override;

 private:
  struct Bracket {
    std::size_t end = 0;  // the models of this bracket and of those before it
    std::unique_ptr<HalvingSearch> search;
  };

  std::vector<Bracket> brackets_;
  std::map<ModelId, HalvingSearch*> members_;
};

}  // namespace hop::hopper
