// The whole library: four configurations of an MLP hop between two workers that are threads of this program.
#include <hopscotch/hopscotch.h>

#include <iostream>

int main() {
  using namespace hop::hopper;
  Experiment experiment;
  experiment.name = "consumer";
  experiment.seed = 2026;
  experiment.data.source = "glyphs";
  experiment.model.family = "mlp";
  experiment.search.epochs = 2;
  experiment.search.space = {{"lr", Choices{0.003, 0.001}},
                             {"hidden", Choices{std::int64_t{16}, std::int64_t{32}}},
                             {"optimizer", Choices{std::string("adam")}}};
  experiment.run.workers = 2;
  const Results results = run(experiment).results;
  std::cout << leaderboard(results);
  return results.best && results.model(*results.best).valid_accuracy > 0.5 ? 0 : 1;
}
