// Our training steps, as hopper/trainer.cpp makes them: parameters in a state block, zero_grad, forward, loss,
// backward, update. A way of running a step (eager, captured) is one function from a problem to a Step.
#include "autograd/elementwise.h"
#include "autograd/graph.h"
#include "base/error.h"
#include "bench/adversaries.h"
#include "bench/memory.h"
#include "bench/nets.h"
#include "bench/ours.h"
#include "kernels/capture.h"
#include "kernels/precision.h"
#include "nn/loss_objects.h"
#include "nn/optim/by_name.h"
#include "nn/state.h"

namespace hop::bench {
namespace {

/// One step; gives the loss before the update.
using Step = std::function<Tensor()>;

std::unique_ptr<optim::Optimizer> make_optimizer(const std::string& name, const nn::Module& module) {
  const nn::ConfigText settings = name == "sgd"
                                      ? nn::ConfigText{{"optimizer", "sgd"}, {"lr", "1e-3"}, {"momentum", "0.9"}}
                                      : nn::ConfigText{{"optimizer", name}, {"lr", "1e-4"}};
  return optim::make_optimizer(settings, module.named_parameters());
}

/// What a step reads, and the step.
struct Training {
  Training() = default;
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;
  virtual ~Training() = default;
  virtual Tensor step(const Tensor& x, const Tensor& target) = 0;

  Tensor x, target;
};

struct NetTraining : Training {
  NetTraining(const std::string& net, const std::string& optimizer_name, std::int64_t batch)
      : problem(make_problem(net, batch)),
        optimizer(make_optimizer(optimizer_name, *problem.module)),
        state(*problem.module, optimizer.get()) {
    problem.module->train();
    x = problem.x;
    target = problem.target;
  }

  Tensor step(const Tensor& input, const Tensor& wanted) override {
    optimizer->zero_grad();
    Tensor loss = problem.loss((*problem.module)(input), wanted);
    backward(loss);
    optimizer->step();
    return loss;
  }

  Problem problem;
  std::unique_ptr<optim::Optimizer> optimizer;
  nn::StateBlock state;
};

/// Two nets and two optimizers that take turns, as in PyTorch's tutorials. x is noise, the target real images. The loss
/// is the sum of both nets' losses.
struct AdversarialTraining : Training {
  explicit AdversarialTraining(const std::string& optimizer_name, std::int64_t batch)
      : nets(make_adversaries(batch)),
        generator_optimizer(make_optimizer(optimizer_name, *nets.generator)),
        discriminator_optimizer(make_optimizer(optimizer_name, *nets.discriminator)),
        generator_state(*nets.generator, generator_optimizer.get()),
        discriminator_state(*nets.discriminator, discriminator_optimizer.get()) {
    x = nets.noise;
    target = nets.images;
  }

  Tensor step(const Tensor& noise, const Tensor& images) override {
    const Tensor fakes = (*nets.generator)(noise);
    discriminator_optimizer->zero_grad();
    const Tensor of_real = loss_of(images, nets.ones), of_fakes = loss_of(fakes.detach(), nets.zeros);
    backward(of_real + of_fakes);
    discriminator_optimizer->step();
    generator_optimizer->zero_grad();
    const Tensor of_generator = loss_of(fakes, nets.ones);
    backward(of_generator);
    generator_optimizer->step();
    return (of_real + of_fakes + of_generator).detach();
  }

  Tensor loss_of(const Tensor& images, const Tensor& labels) const {
    return nn::BCEWithLogitsLoss{}((*nets.discriminator)(images), labels);
  }

  Adversaries nets;
  std::unique_ptr<optim::Optimizer> generator_optimizer, discriminator_optimizer;
  nn::StateBlock generator_state, discriminator_state;
};

std::shared_ptr<Training> make_training(const std::string& net, const std::string& optimizer, std::int64_t batch) {
  if (net == "dcgan") return std::make_shared<AdversarialTraining>(optimizer, batch);
  return std::make_shared<NetTraining>(net, optimizer, batch);
}

Step eager(const std::shared_ptr<Training>& training) {
  return [training] { return training->step(training->x, training->target); };
}

Step captured(const std::shared_ptr<Training>& training) {
  const auto step = std::make_shared<CapturedFunction>(
      [training](std::span<const Tensor> batch) { return std::vector{training->step(batch[0], batch[1])}; });
  return [training, step] { return (*step)({training->x, training->target})[0]; };
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
  const auto training = make_training(what.at(1), what.at(2), std::stoll(what.at(3)));
  return [step = step_by_variant(what.at(4), training)](int repetitions) {
    double loss = 0;
    for (int i = 0; i < repetitions; ++i) loss = step().item<double>();
    return loss;
  };
}

Work our_memory(const std::vector<std::string>& what) {
  return peak_memory([&](const std::vector<std::string>& step) { return our_training(step); }, what);
}

}  // namespace hop::bench
