// A strategy of your own, simulated on 64 workers and then run on 2: models hop from block to block. A unit is all
// partitions of one worker, so there are fewer commits than with hopping, and a lost unit costs more. Between backward
// and update each gradient is cut down to its sign (signSGD: Bernstein et al., 2018). docs/own-strategy.md explains it.
#include <hopscotch/hopscotch.h>

#include <cmath>
#include <iostream>

using namespace hop::hopper;
using hop::ModelId, hop::PartitionId, hop::Tensor, hop::WorkerId;

struct Signs final : Exchange {
  void exchange(const Tensor& gradients, std::int64_t) override {
    float* g = gradients.data<float>();
    for (std::int64_t i = 0; i < gradients.numel(); ++i) g[i] = g[i] == 0 ? 0 : std::copysign(0.01F, g[i]);
  }
};

struct Blocks final : Strategy {
  std::uint32_t units_per_epoch(const Spread& spread) const override { return spread.workers; }
  PartitionId begin(const Spread& spread, ModelId model, std::uint32_t place) const override {
    const std::uint32_t block = (spread.owner(spread.start(model)).value + place) % spread.workers;
    return PartitionId{(block * spread.partitions + spread.workers - 1) /
                       spread.workers};  // the first one of its owner
  }
  std::vector<PartitionId> passes(const Spread& spread, PartitionId first) const override {
    std::vector<PartitionId> block;
    for (PartitionId q = first; q.value < spread.partitions && spread.owner(q) == spread.owner(first); ++q.value) {
      block.push_back(q);
    }
    return block;
  }
  std::optional<WorkerId> only_worker(const Spread& spread, PartitionId first) const override {
    return spread.owner(first);
  }
  bool holds(const Spread& spread, WorkerId worker, PartitionId q) const override { return spread.owner(q) == worker; }
  std::uint32_t most_workers(std::uint32_t partitions) const override { return partitions; }
  std::shared_ptr<Exchange> exchange() const override { return std::make_shared<Signs>(); }
};

int main() {
  Experiment experiment{.name = "own-strategy", .seed = 7};
  experiment.data = {.source = "glyphs", .partitions = 256};
  experiment.model.family = "mlp";
  experiment.search.epochs = 2;
  experiment.search.space = {{"lr", Choices{0.1, 0.03}}, {"optimizer", Choices{std::string("sgd")}}};
  experiment.run.workers = 64;
  const auto show = [](const char* name, const simulate::RunReport& report) {
    std::cout << name << ": " << report.units << " units, " << report.hops << " hops, " << report.makespan_seconds
              << " s\n";
  };
  show("hopping on 64 workers", simulate::run(experiment));
  experiment.run.strategy = [] { return std::make_shared<Blocks>(); };
  show("blocks on 64 workers", simulate::run(experiment));

  experiment.run.workers = 2, experiment.data.partitions = 4;
  const RunResult result = run(experiment);
  std::cout << leaderboard(result.results);
  return result.results.best && result.results.models[0].visits.size() == 4 ? 0 : 1;  // two epochs of two units
}
