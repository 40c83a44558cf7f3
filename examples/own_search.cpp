// A search of your own: the worst models make way for clones of the best one, which train on from its weights with
// another learning rate (population based training, Jaderberg et al., 2017). Prints the leaderboard.
#include <hopscotch/hopscotch.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <utility>
#include <vector>

using namespace hop::hopper;

class Population final : public Search {
 public:
  explicit Population(std::uint32_t epochs) : epochs_(epochs) {}

  // Four models at the start, later the clones.
  std::optional<Proposal> ask() override {
    if (begun_ < 4) return Proposal{{{"lr", 0.05 / ++begun_}, {"hidden", std::int64_t{16}}}};
    return std::exchange(clone_, std::nullopt);
  }
  void asked(hop::ModelId model, const Proposal& proposal) override { lr_[model] = proposal.config.number("lr"); }

  // Told by id at the end of each epoch. A model that diverged is withdrawn instead, and no longer told.
  void tell(hop::ModelId model, hop::Epoch epoch, const EpochMetrics& metrics) override {
    epoch_ = epoch;
    losses_.emplace_back(*metrics.valid_loss, model);
  }
  std::vector<SearchOrder> end_of_tick() override {
    auto losses = std::exchange(losses_, {});
    if (losses.size() < 2 || number_of(epoch_) == epochs_) return {};
    std::sort(losses.begin(), losses.end());
    const hop::ModelId best = losses.front().second, worst = losses.back().second;
    clone_ = Proposal{{{"lr", lr_[best] * 1.2}, {"hidden", std::int64_t{16}}}, Parent{best, epoch_}};
    return {SearchOrder::stop(worst, "a clone of model " + std::to_string(best.value) + " takes its place")};
  }
  bool barrier_at(hop::Epoch) const override { return true; }  // the best one's state is kept for the clone

 private:
  std::uint32_t epochs_, begun_ = 0;
  hop::Epoch epoch_;
  std::map<hop::ModelId, double> lr_;
  std::vector<std::pair<double, hop::ModelId>> losses_;
  std::optional<Proposal> clone_;
};

int main() {
  Experiment experiment;
  experiment.name = "population";
  experiment.data = {.source = "glyphs", .partitions = 2};
  experiment.model.family = "mlp";
  experiment.search.epochs = 3;
  experiment.search.make = [](const SearchInput& input) { return std::make_unique<Population>(input.epochs); };
  const RunResult result = run(experiment);
  std::cout << leaderboard(result.results);
  return result.results.models.size() == 6 && result.results.models.back().parent ? 0 : 1;
}
