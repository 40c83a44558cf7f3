// Halving with clones: the search that keeps the most states in use at once.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "hopper/search/search.h"

namespace hop::testing {

/// After each epoch the worse half stops. The best model gets a clone with a larger rate. The second best gets a clone
/// of the epoch before, whose state nobody kept: that clone trains the units of its ancestors again. The third best
/// rests for a tick.
class Breeder final : public hopper::Search {
 public:
  Breeder(std::uint32_t models, std::uint32_t epochs) : epochs_(epochs) {
    for (std::uint32_t i = 1; i <= models; ++i)
      queue_.push_back({{{"lr", 0.02 / i}, {"optimizer", std::string("adam")}}});
  }

  std::optional<hopper::Proposal> ask() override {
    if (next_ == queue_.size()) return std::nullopt;
    return queue_[next_++];
  }
  void asked(ModelId model, const hopper::Proposal& proposal) override { configs_[model] = proposal.config; }
  void tell(ModelId model, Epoch epoch, const hopper::EpochMetrics& metrics) override {
    if (number_of(epoch) < epochs_) told_.push_back({metrics.valid_loss.value_or(1e9), model, epoch});
  }
  std::vector<hopper::SearchOrder> end_of_tick() override {
    std::vector<hopper::SearchOrder> orders;
    if (resting_)
      orders.push_back(hopper::SearchOrder::resume(*std::exchange(resting_, std::nullopt), "it has rested"));
    std::vector<Told> told = std::exchange(told_, {});
    std::sort(told.begin(), told.end());
    ++tick_;
    for (std::size_t i = 0; i < told.size(); ++i) place(i, told, orders);
    return orders;
  }
  bool barrier_at(Epoch) const override { return true; }

 private:
  using Told = std::tuple<double, ModelId, Epoch>;  // loss, model, epoch

  void place(std::size_t rank, const std::vector<Told>& told, std::vector<hopper::SearchOrder>& orders) {
    const auto [loss, model, epoch] = told[rank];
    const bool may_clone = tick_ + 2 <= epochs_;
    if (rank == 0 && may_clone) clone(model, epoch, 1.25);
    if (rank == 1 && may_clone && epoch > Epoch{0}) clone(model, Epoch{epoch.value - 1}, 0.5);
    if (rank == 2 && told.size() > 4) {
      resting_ = model;
      orders.push_back(hopper::SearchOrder::pause(model, "it rests"));
    } else if (rank > told.size() / 2) {
      orders.push_back(hopper::SearchOrder::stop(model, "rank " + std::to_string(rank + 1)));
    }
  }
  void clone(ModelId parent, Epoch epoch, double factor) {
    hopper::Config config = configs_.at(parent);
    config.set("lr", config.number("lr") * factor);
    queue_.push_back({std::move(config), hopper::Parent{parent, epoch}});
  }

  std::uint32_t epochs_, tick_ = 0;
  std::vector<hopper::Proposal> queue_;
  std::size_t next_ = 0;
  std::map<ModelId, hopper::Config> configs_;
  std::vector<Told> told_;
  std::optional<ModelId> resting_;
};

}  // namespace hop::testing
