// A search of your own: it climbs in the learning rate, one model after the other, each a step from the best so far.
// Prints the leaderboard. Any rule over the metrics of the models is a class like this one.
#include <hopscotch/hopscotch.h>

#include <cmath>
#include <iostream>

using namespace hop::hopper;

class HillClimb final : public Search {
 public:
  explicit HillClimb(std::uint32_t epochs) : epochs_(epochs) {}

  // The next configuration; none while the last one trains, and none after the sixth.
  std::optional<Config> ask() override {
    if (is_training_ || asked_ == 6) return std::nullopt;
    is_training_ = true;
    ++asked_;
    return Config{{"lr", lr_}, {"optimizer", std::string("adam")}, {"hidden", std::int64_t{16}}};
  }

  // A model that diverged has no validation loss: it is worse than all others.
  Decision tell(hop::ModelId, std::uint32_t epoch, const EpochMetrics& metrics) override {
    const double loss = metrics.valid_loss.value_or(INFINITY);
    if (std::isfinite(metrics.train_loss) && epoch + 1 < epochs_) return Decision::Continue;
    is_training_ = false;
    if (loss < best_loss_) {
      best_loss_ = loss;
      best_lr_ = lr_;
    } else {
      factor_ = 1 / std::sqrt(factor_);  // back, and half as far
    }
    lr_ = best_lr_ * factor_;
    return Decision::Continue;
  }

 private:
  std::uint32_t epochs_, asked_ = 0;
  double lr_ = 0.0005, best_lr_ = lr_, best_loss_ = INFINITY, factor_ = 4;
  bool is_training_ = false;
};

int main() {
  Experiment experiment;
  experiment.name = "hill-climb";
  experiment.data = {.source = "glyphs", .partitions = 2};
  experiment.model.family = "mlp";
  experiment.search.epochs = 2;
  experiment.search.make = [](const SearchInput& input) { return std::make_unique<HillClimb>(input.epochs); };

  const RunResult result = run(experiment);
  std::cout << leaderboard(result.results);
  return result.results.models.size() == 6 && result.results.best ? 0 : 1;
}
