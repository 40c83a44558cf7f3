// A scheduling policy of your own, tried on a cluster that nobody has: 1,000 workers, 10,000 models, virtual time.
// Prints how long the run would take with it and with the policy that ships, and what each decision costs.
// `example_own_policy 0` simulates the whole epoch, ten million units, instead of its first units.
#include <hopscotch/hopscotch.h>

#include <cstdlib>
#include <iostream>

using namespace hop::hopper;

// Shortest work first: of the models that wait for a worker, the one with the least work left.
struct ShortestFirst final : Policy {
  std::optional<Choice> next(const ScheduleView& view) const override {
    for (const hop::WorkerId worker : view.rooms) {  // those with the fewest leases come first
      const ModelView* best = nullptr;
      for (const hop::ModelId id : view.workers[worker.index()].due) {
        const ModelView& model = view.models[id.index()];
        if (best == nullptr || model.work_left() < best->work_left()) best = &model;
      }
      if (best != nullptr) return Choice{best->id, worker, best->candidates.front()};
    }
    return std::nullopt;
  }
};

int main(int argc, char** argv) {
  Experiment experiment;
  experiment.seed = 7;
  experiment.data.partitions = 1000;
  experiment.run.workers = 1000;
  Choices models;
  for (std::int64_t i = 0; i < 10000; ++i) models.emplace_back(i);
  experiment.search.space = {{"model", models}};

  simulate::RunOptions options;
  options.most_units = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 50'000;
  options.pass_seconds = [](hop::ModelId model, const Config&) { return 1.0 + model.value % 7; };  // 1 to 7 s

  const auto show = [&](const char* name) {
    const simulate::RunReport report = simulate::run(experiment, options);
    std::cout << name << ": " << report.units << " units in " << report.makespan_seconds << " s of virtual time, "
              << report.hops << " hops, utilisation " << report.utilisation << "\n  " << report.wall_seconds
              << " s of real time, " << report.microseconds_per_decision
              << " us per decision, of which the policy took " << report.policy_microseconds << ", "
              << (report.peak_rss_bytes >> 20) << " MiB\n";
    return report.units;
  };
  const std::uint64_t ours = show("rotation, most work first");
  experiment.run.policy = [] { return std::make_unique<ShortestFirst>(); };
  return show("shortest work first") >= ours ? 0 : 1;
}
