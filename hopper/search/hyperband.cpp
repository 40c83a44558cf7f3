#include "hopper/search/hyperband.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace hop::hopper {

HyperbandSearch::HyperbandSearch(BracketOptions options, Objective objective, const Configs& configs) {
  options.models = 0;
  options.skip = 0;
  const std::size_t most = bracket(options).size();
  std::size_t end = 0;
  for (; options.skip < most; ++options.skip) {
    std::vector<Rung> rungs = bracket(options);
    const std::uint32_t models = rungs.front().models;
    end += models;
    std::unique_ptr<Search> first = configs(rungs.size(), models);
    brackets_.push_back({end, std::make_unique<HalvingSearch>(std::move(first), std::move(rungs), objective)});
  }
}

std::optional<Proposal> HyperbandSearch::ask() {
  for (const Bracket& bracket : brackets_) {
    if (std::optional<Proposal> proposal = bracket.search->ask()) return proposal;
  }
  return std::nullopt;
}

// Models are asked for bracket by bracket, so the number of a model says its bracket.
void HyperbandSearch::asked(ModelId model, const Proposal& proposal) {
  const auto holds = [&](const Bracket& bracket) { return members_.size() < bracket.end; };
  const auto own = std::ranges::find_if(brackets_, holds);
  if (own == brackets_.end()) return;
  own->search->asked(model, proposal);
  members_.emplace(model, own->search.get());
}

void HyperbandSearch::tell(ModelId model, Epoch epoch, const EpochMetrics& metrics) {
  const auto found = members_.find(model);
  if (found != members_.end()) found->second->tell(model, epoch, metrics);
}

void HyperbandSearch::withdrawn(ModelId model, Withdrawal why) {
  const auto found = members_.find(model);
  if (found != members_.end()) found->second->withdrawn(model, why);
}

std::vector<SearchOrder> HyperbandSearch::end_of_tick() {
  std::vector<SearchOrder> orders;
  for (const Bracket& bracket : brackets_) std::ranges::move(bracket.search->end_of_tick(), std::back_inserter(orders));
  return orders;
}

bool HyperbandSearch::barrier_at(Epoch epoch) const {
  return std::ranges::any_of(brackets_, [&](const Bracket& bracket) { return bracket.search->barrier_at(epoch); });
}

}  // namespace hop::hopper
