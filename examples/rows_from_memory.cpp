// Rows from memory, and an optimizer that the application sets up: two tensors become a partitioned data set, and
// models hop over it. No file is named anywhere.
#include <hopscotch/hopscotch.h>

#include <cmath>
#include <iostream>
#include <random>

using namespace hop::hopper;

int main() {
  // Two interleaved spirals, one per class: 4,000 points of the plane.
  constexpr std::int64_t kRows = 4000;
  std::mt19937 generator(7);
  std::normal_distribution<float> noise(0, 0.03F);
  std::vector<float> points;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < kRows; ++i) {
    const float turn = static_cast<float>(i) / kRows;
    const float angle = 9 * turn + (i % 2 == 0 ? 0.0F : 3.14159F);
    points.push_back(turn * std::cos(angle) + noise(generator));
    points.push_back(turn * std::sin(angle) + noise(generator));
    labels.push_back(i % 2);
  }

  Experiment experiment;
  experiment.name = "spirals";
  experiment.data.rows = hop::data::tensor_source(hop::Tensor::from<float>(points, {kRows, 2}),
                                                  hop::Tensor::from<std::int64_t>(labels, {kRows}), 2);
  experiment.data.partitions = 4;
  experiment.model.layers = {"linear 32", "tanh", "linear 32", "tanh", "linear 2"};
  experiment.model.optimizer = [](const Config& config, const hop::optim::ParameterList& parameters) {
    auto adam = std::make_unique<hop::optim::AdamW>(parameters,
                                                    hop::optim::AdamWOptions{.lr = config.number("lr"), .beta2 = 0.99});
    for (hop::optim::ParameterSegment& segment : adam->segments()) {
      if (segment.name.ends_with("bias")) segment.weight_decay_scale = 0;  // what no name in a file can say
    }
    return adam;
  };
  experiment.search.epochs = 8;
  experiment.search.space = {{"lr", Choices{0.01, 0.001}}};

  const RunResult result = run(experiment);
  std::cout << leaderboard(result.results);
  return result.results.best && *result.results.model(*result.results.best).valid_accuracy > 0.6 ? 0 : 1;
}
