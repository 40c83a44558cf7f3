// A search that uses all that a search can do: a small population based training. After each epoch the worst model is
// stopped and replaced by a clone of the best one with another learning rate. One model pauses for an epoch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hopper/search/methods.h"

namespace hop::hopper {

class Evolution final : public Search {
 public:
  Evolution(std::uint32_t population, std::uint32_t epochs) : population_(population), epochs_(epochs) {}

  std::optional<Proposal> ask() override {
    if (begun_ < population_) return Proposal{{{"lr", 0.004 / ++begun_}, {"batch_size", std::int64_t{32}}}};
    return std::exchange(clone_, std::nullopt);
  }
  void asked(ModelId model, const Proposal& proposal) override { configs_[model] = proposal.config; }
  void tell(ModelId model, Epoch epoch, const EpochMetrics& metrics) override {
    epoch_ = epoch;
    losses_.emplace_back(metrics.valid_loss.value_or(1e9), model);
  }
  std::vector<SearchOrder> end_of_tick() override {
    auto losses = std::exchange(losses_, {});
    std::sort(losses.begin(), losses.end());
    std::vector<SearchOrder> orders;
    if (paused_) orders.push_back(SearchOrder::resume(*std::exchange(paused_, std::nullopt), "it has rested"));
    if (losses.size() < 2 || number_of(epoch_) >= epochs_) return orders;
    const ModelId best = losses.front().second, worst = losses.back().second;
    orders.push_back(SearchOrder::stop(worst, "replaced by a clone of model " + std::to_string(best.value)));
    Config config = configs_.at(best);
    config.set("lr", config.number("lr") * (epoch_.value % 2 == 0 ? 1.25 : 0.75));
    clone_ = Proposal{config, Parent{best, epoch_}};
    if (epoch_ == Epoch{0} && losses.size() > 2) {
      paused_ = losses[1].second;
      orders.push_back(SearchOrder::pause(*paused_, "it rests"));
    }
    return orders;
  }
  bool barrier_at(Epoch) const override { return true; }

 private:
  std::uint32_t population_, epochs_, begun_ = 0;
  Epoch epoch_;
  std::map<ModelId, Config> configs_;
  std::vector<std::pair<double, ModelId>> losses_;  // of this tick
  std::optional<Proposal> clone_;
  std::optional<ModelId> paused_;
};

}  // namespace hop::hopper
