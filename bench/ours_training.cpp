// Our training steps, as hopper/trainer.cpp makes them: parameters in a state block, zero_grad, forward, loss,
// backward, update. A way of running a step (eager, captured) is one function from a problem to a Step.
#include "autograd/graph.h"
#include "base/error.h"
#include "bench/nets.h"
#include "bench/ours.h"
#include "kernels/capture.h"
#include "kernels/precision.h"
#include "nn/optim/by_name.h"
#include "nn/state.h"

namespace hop::bench {
namespace {

/// One step; gives the loss before the update.
using Step = std::function<Tensor()>;

struct Training {
  Training(const std::string& net, const std::string& optimizer_name, std::int64_t batch)
      : problem(make_problem(net, batch)),
        optimizer(optim::make_optimizer(optimizer_name == "sgd"
                                            ? nn::ConfigText{{"optimizer", "sgd"}, {"lr", "1e-3"}, {"momentum", "0.9"}}
                                            : nn::ConfigText{{"optimizer", optimizer_name}, {"lr", "1e-4"}},
                                        problem.module->named_parameters())),
        state(*problem.module, optimizer.get()) {
    problem.module->train();
  }

  Tensor step(const Tensor& x, const Tensor& target) const {
    optimizer->zero_grad();
    Tensor loss = problem.loss((*problem.module)(x), target);
    backward(loss);
    optimizer->step();
    return loss;
  }

  Problem problem;
  std::unique_ptr<optim::Optimizer> optimizer;
  nn::StateBlock state;
};

Step eager(const std::shared_ptr<Training>& training) {
  return [training] { return training->step(training->problem.x, training->problem.target); };
}

Step captured(const std::shared_ptr<Training>& training) {
  const auto step = std::make_shared<CapturedFunction>(
      [training](std::span<const Tensor> batch) { return std::vector{training->step(batch[0], batch[1])}; });
  return [training, step] { return (*step)({training->problem.x, training->problem.target})[0]; };
}

Step in_bf16(Step step) {
  return [step = std::move(step)] {
    const kernels::PrecisionScope scope(kernels::Precision::bf16);
    return step();
  };
}

Step step_by_variant(const std::string& variant, const std::shared_ptr<Training>& training) {
  if (variant == "eager") return eager(training);
  if (variant == "captured") return captured(training);
  if (variant == "captured_bf16" && kernels::has_bf16()) return in_bf16(captured(training));
  throw ConfigError("[bench] this build has no variant " + variant);
}

}  // namespace

Work our_training(const std::vector<std::string>& what) {
  const auto training = std::make_shared<Training>(what.at(1), what.at(2), std::stoll(what.at(3)));
  return [step = step_by_variant(what.at(4), training)](int repetitions) {
    double loss = 0;
    for (int i = 0; i < repetitions; ++i) loss = step().item<double>();
    return loss;
  };
}

}  // namespace hop::bench
