#include "hopper/search/halving.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/error.h"

namespace hop::hopper {
namespace {

std::uint64_t power(std::uint64_t base, std::uint32_t exponent) {
  std::uint64_t result = 1;
  for (std::uint32_t i = 0; i < exponent; ++i) result *= base;
  return result;
}

// The largest s with min_epochs eta^s <= epochs. Logarithms of floats are wrong here: log(243) / log(3) < 5.
std::uint32_t longest(const BracketOptions& o) {
  std::uint32_t s = 0;
  for (std::uint64_t r = std::uint64_t{o.min_epochs} * o.eta; r <= o.epochs; r *= o.eta) ++s;
  return s;
}

}  // namespace

std::vector<Rung> bracket(const BracketOptions& o) {
  if (o.eta < 2 || o.min_epochs < 1 || o.min_epochs > o.epochs) {
    throw ConfigError(
        "[search] halving: expected eta >= 2 and 1 <= min_epochs <= epochs, got eta = " + std::to_string(o.eta) +
        ", min_epochs = " + std::to_string(o.min_epochs) + ", epochs = " + std::to_string(o.epochs));
  }
  const std::uint32_t s_max = longest(o);
  if (o.skip > s_max) {
    throw ConfigError("[search] early_stopping_rate: expected at most " + std::to_string(s_max) + " for " +
                      std::to_string(o.epochs) + " epochs and eta = " + std::to_string(o.eta) + ", got " +
                      std::to_string(o.skip));
  }
  const std::uint32_t s = s_max - o.skip;
  const std::uint64_t hyperband = (std::uint64_t{s_max + 1} * power(o.eta, s) + s) / (s + 1);  // rounded up
  const std::uint64_t models = o.models != 0 ? o.models : hyperband;
  std::vector<Rung> rungs;
  for (std::uint32_t i = 0; i <= s; ++i) {
    const std::uint64_t left = std::max<std::uint64_t>(models / power(o.eta, i), 1);
    const std::uint64_t epochs = std::max<std::uint64_t>(o.epochs / power(o.eta, s - i), o.min_epochs);
    rungs.push_back({static_cast<std::uint32_t>(left), static_cast<std::uint32_t>(epochs)});
  }
  return rungs;
}

HalvingSearch::HalvingSearch(std::unique_ptr<Search> configs, std::vector<Rung> rungs, const Objective& objective)
    : configs_(std::move(configs)), rungs_(std::move(rungs)), objective_(objective) {}

void HalvingSearch::asked(ModelId model, const Proposal& proposal) {
  members_.insert(model);
  configs_->asked(model, proposal);
}

void HalvingSearch::tell(ModelId model, Epoch epoch, const EpochMetrics& metrics) {
  const bool is_last = rung_ + 1 >= rungs_.size();
  if (is_last || !members_.contains(model) || number_of(epoch) != rungs_[rung_].epochs) return;
  told_[model] = score(objective_, metrics).value_or(-std::numeric_limits<double>::infinity());
}

void HalvingSearch::withdrawn(ModelId model, Withdrawal) {
  members_.erase(model);
  told_.erase(model);
}

std::vector<SearchOrder> HalvingSearch::end_of_tick() {
  if (told_.empty()) return {};
  std::vector<std::pair<ModelId, double>> ranks(told_.begin(), told_.end());  // by id
  std::stable_sort(ranks.begin(), ranks.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  const std::uint32_t epochs = rungs_[rung_++].epochs;
  const std::size_t go_on = std::min<std::size_t>(rungs_[rung_].models, ranks.size());
  std::vector<SearchOrder> orders;
  for (std::size_t i = go_on; i < ranks.size(); ++i) {
    members_.erase(ranks[i].first);
    orders.push_back(SearchOrder::stop(ranks[i].first, "rank " + std::to_string(i + 1) + " of " +
                                                           std::to_string(ranks.size()) + " at epoch " +
                                                           std::to_string(epochs) + ", " + std::to_string(go_on) +
                                                           (go_on == 1 ? " goes on" : " go on")));
  }
  told_.clear();
  return orders;
}

bool HalvingSearch::barrier_at(Epoch epoch) const {
  return std::any_of(rungs_.begin(), rungs_.end() - 1,
                     [&](const Rung& rung) { return rung.epochs == number_of(epoch); });
}

}  // namespace hop::hopper
