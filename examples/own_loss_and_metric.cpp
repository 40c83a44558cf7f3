// A loss and a metric of your own, written from tensor operations. Both are recorded with the training step and travel
// with nothing: every worker of this application calls them. The metric ranks the models.
#include <hopscotch/hopscotch.h>

#include <algorithm>
#include <iostream>

using namespace hop::hopper;

// Cross-entropy with a tenth of the probability spread over all classes (label smoothing). output (N, C) -> ().
hop::Tensor smoothed(const hop::Tensor& output, const hop::Tensor& target) {
  return hop::cross_entropy(output, target) * 0.9 - hop::mean(hop::log_softmax(output)) * 0.1;
}

// The accuracy on the class that is told worst. Sums (2 C): rows per class, then hits per class.
hop::nn::Metric worst_class(std::int64_t classes) {
  hop::nn::Metric metric{.name = "worst_class", .higher_is_better = true};
  const hop::Tensor every_class = hop::arange(classes);
  metric.sums = [every_class](const hop::Tensor& output, const hop::Tensor& target) {
    const hop::Tensor is_class = hop::unsqueeze(target, 1) == every_class;                          // (N, C)
    const hop::Tensor is_hit = hop::unsqueeze(hop::argmax(output, -1) == target, 1);                // (N, 1)
    return hop::cat({hop::sum(is_class, {0}), hop::sum(hop::logical_and(is_class, is_hit), {0})});  // (2 C)
  };
  metric.finish = [classes](std::span<const double> sums, std::int64_t) {
    double worst = 1;
    for (std::int64_t c = 0; c < classes; ++c) {
      const double rows = sums[static_cast<std::size_t>(c)], hits = sums[static_cast<std::size_t>(classes + c)];
      worst = std::min(worst, rows > 0 ? hits / rows : 1);
    }
    return worst;
  };
  return metric;
}

int main() {
  Experiment experiment;
  experiment.name = "own-loss";
  experiment.data = {.source = "glyphs", .partitions = 2};
  experiment.model.family = "mlp";
  experiment.model.loss = smoothed;
  experiment.model.metrics = {worst_class(10), "accuracy"};  // the first one ranks
  experiment.search.epochs = 3;
  experiment.search.space = {{"lr", Choices{0.003, 0.0003}}, {"optimizer", Choices{std::string("adam")}}};

  const RunResult result = run(experiment);
  std::cout << leaderboard(result.results);
  if (!result.results.best) return 1;
  const double worst = result.results.model(*result.results.best).own.at(0);
  std::cout << "the class that the best model tells worst: " << worst * 100 << " %\n";
  return worst > 0.1 ? 0 : 1;
}
