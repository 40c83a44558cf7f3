// An optimizer of your own, written from tensor operations: AdaMax (Kingma & Ba, 2015, section 7). It is recorded with
// the training step, and its slots lie in the model's state: they hop with the model, and a resumed run finds them.
#include <hopscotch/hopscotch.h>

#include <cmath>
#include <iostream>

using namespace hop::hopper;
using hop::Tensor;

class Adamax : public hop::optim::Optimizer {
 public:
  Adamax(const hop::optim::ParameterList& parameters, double lr, double beta1, double beta2)
      : Optimizer(parameters, {"exp_avg", "exp_inf"}, lr), beta1_(beta1), beta2_(beta2) {}

  // What changes from step to step comes from tensors: a recorded step reads them anew.
  void step() override {
    const hop::NoGradGuard no_grad;
    const Tensor number = step_tensor() + 1;                                        // 1 in the first step
    const Tensor rate = lr_tensor() / (1.0 - hop::exp(number * std::log(beta1_)));  // ()
    for (const auto& [p, gradient, slots, lr_scale, weight_decay_scale] : updates()) {
      const Tensor &average = slots[0], &largest = slots[1];  // of p's shape
      write(average, average * beta1_ + gradient * (1 - beta1_));
      write(largest, hop::maximum(largest * beta2_, hop::abs(gradient) + 1e-8));
      write(p, p - rate * lr_scale * average / largest);
    }
    count_step();
  }

 private:
  double beta1_, beta2_;
};

int main() {
  Experiment experiment;
  experiment.name = "own-optimizer";
  experiment.data = {.source = "glyphs", .partitions = 4};
  experiment.model.family = "mlp";
  experiment.model.optimizer = [](const Config& config, const hop::optim::ParameterList& parameters) {
    return std::make_unique<Adamax>(parameters, config.number("lr"), config.number("beta1"), 0.999);
  };
  experiment.search.epochs = 2;
  experiment.search.space = {{"lr", Choices{0.01, 0.002}}, {"beta1", Choices{0.9, 0.5}}};
  experiment.run.workers = 2;  // the models hop between them

  const RunResult result = run(experiment);
  std::cout << leaderboard(result.results);
  if (!result.results.best) return 1;
  return result.results.model(*result.results.best).valid_accuracy.value_or(0) > 0.5 ? 0 : 1;
}
