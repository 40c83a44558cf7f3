// Successive halving (Jamieson and Talwalkar, AISTATS 2016): all models train a little, the best of them go on.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "hopper/search/objective.h"
#include "hopper/search/search.h"

namespace hop::hopper {

/// The number of models that train, and the epoch up to which they train.
struct Rung {
  std::uint32_t models = 0, epochs = 0;
  bool operator==(const Rung&) const = default;
};

struct BracketOptions {
  std::uint32_t epochs = 1;      ///< of the last rung
  std::uint32_t eta = 3;         ///< of `eta` models, one goes on
  std::uint32_t min_epochs = 1;  ///< of the first rung, at least
  std::uint32_t skip = 0;        ///< how many rungs fewer than the longest bracket it has
  std::uint32_t models = 0;      ///< of the first rung; 0: the number of Hyperband
};

/// One bracket of Hyperband (Li et al., JMLR 2018), in whole numbers: with s + 1 rungs, ceil((s_max + 1) eta^s / (s +
/// 1)) models begin, and rung i has floor(models / eta^i) of them at floor(epochs / eta^(s - i)) epochs, at least one
/// of each. Throws ConfigError if no rung is left.
std::vector<Rung> bracket(const BracketOptions& options);

/// Stops all but the best at the end of each rung, by (score, id). All models of a rung are judged at the same epoch. A
/// model that diverged or was stopped otherwise leaves its rung. The number of models that go on stays the same.
class HalvingSearch final : public Search {
 public:
  /// `configs` proposes the models of the first rung.
  HalvingSearch(std::unique_ptr<Search> configs, std::vector<Rung> rungs, const Objective& objective);

  std::optional<Proposal> ask() override { return configs_->ask(); }
  void asked(ModelId model, const Proposal& proposal) override;
  void tell(ModelId model, Epoch epoch, const EpochMetrics& metrics) override;
  void withdrawn(ModelId model, Withdrawal why) override;
  std::vector<SearchOrder> end_of_tick() override;
  bool barrier_at(Epoch epoch) const override;

 private:
  std::unique_ptr<Search> configs_;
  std::vector<Rung> rungs_;
  Objective objective_;
  std::size_t rung_ = 0;            // the present one
  std::set<ModelId> members_;       // models that no rung has stopped so far
  std::map<ModelId, double> told_;  // scores of members at the end of the rung
};

}  // namespace hop::hopper
