// The optimizers of golden/generate_training.py against trajectories from PyTorch; groups of parameters; momenta that
// change; the state of an optimizer on its way to another one.
#include <functional>
#include <memory>

#include "autograd/graph.h"
#include "kernels/capture.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adadelta.h"
#include "nn/optim/adagrad.h"
#include "nn/optim/adam.h"
#include "nn/optim/adamax.h"
#include "nn/optim/by_name.h"
#include "nn/optim/lamb.h"
#include "nn/optim/nadam.h"
#include "nn/optim/radam.h"
#include "nn/optim/sgd.h"
#include "nn/state.h"
#include "tests/nn/training_golden.h"

namespace hop::optim {
namespace {

using namespace nn::testing;
using Make = std::function<std::unique_ptr<Optimizer>(const std::vector<Tensor>&)>;

template <class M, class Options>
Make make(Options options = {}) {
  return [options](const std::vector<Tensor>& p) { return std::make_unique<M>(p, options); };
}

std::unique_ptr<Optimizer> make_groups(const std::vector<Tensor>& p) {
  return std::make_unique<AdamW>(
      std::vector<AdamW::Group>{{std::vector{p[0]}, {.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.3}},
                                {std::vector{p[1]}, {.lr = 0.005, .beta1 = 0.9, .beta2 = 0.9}}});
}

const std::map<std::string, Make> kCases = {
    {"adagrad", make<Adagrad, AdagradOptions>()},
    {"adagrad_options",
     make<Adagrad>(AdagradOptions{
         .lr = 0.1, .lr_decay = 0.05, .weight_decay = 0.1, .initial_accumulator_value = 0.3, .eps = 1e-3})},
    {"adadelta", make<Adadelta, AdadeltaOptions>()},
    {"adadelta_options", make<Adadelta>(AdadeltaOptions{.lr = 0.5, .rho = 0.8, .eps = 1e-3, .weight_decay = 0.1})},
    {"adamax", make<Adamax, AdamaxOptions>()},
    {"adamax_options",
     make<Adamax>(AdamaxOptions{.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1})},
    {"nadam", make<NAdam, NAdamOptions>()},
    {"nadam_options",
     make<NAdam>(NAdamOptions{
         .lr = 0.02, .beta1 = 0.95, .beta2 = 0.99, .eps = 1e-4, .weight_decay = 0.1, .momentum_decay = 0.3})},
    {"nadam_constant", make<NAdam>(NAdamOptions{.lr = 0.02, .beta1 = 0.5, .beta2 = 0.9, .momentum_decay = 0})},
    {"nadam_decoupled", make<NAdam>(NAdamOptions{.lr = 0.02, .weight_decay = 0.2, .decoupled_weight_decay = true})},
    {"radam", make<RAdam, RAdamOptions>()},
    {"radam_options",
     make<RAdam>(RAdamOptions{.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1})},
    {"radam_decoupled", make<RAdam>(RAdamOptions{.lr = 0.02, .weight_decay = 0.2, .decoupled_weight_decay = true})},
    {"lamb", make<LAMB, LAMBOptions>()},
    {"lamb_options",
     make<LAMB>(LAMBOptions{.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1})},
    {"groups", make_groups},
};

std::vector<Tensor> start(DType dtype) {
  std::vector<Tensor> parameters;
  for (const char* i : {"0", "1"})
    parameters.push_back(clone(to(training_golden(std::string("start.") + i), dtype)).set_requires_grad());
  return parameters;
}

void give_gradients(const std::vector<Tensor>& parameters, std::int64_t step) {
  for (std::size_t i = 0; i < parameters.size(); ++i)
    copy_(parameters[i].grad(), select(training_golden("gradients." + std::to_string(i)), 0, step));
}

// Feeds PyTorch's gradients for 50 steps and compares the parameters after steps 1, 2, 3, 10 and 50.
void follow(const std::string& name, DType dtype, double tolerance) {
  const std::vector<Tensor> parameters = start(dtype);
  const std::unique_ptr<Optimizer> optimizer = kCases.at(name)(parameters);
  std::int64_t recorded = 0;
  for (std::int64_t step = 0; step < 50; ++step) {
    give_gradients(parameters, step);
    optimizer->step();
    if (step + 1 != std::array{1, 2, 3, 10, 50}[static_cast<std::size_t>(recorded)]) continue;
    for (std::size_t i = 0; i < 2; ++i) {
      const Tensor expected = select(training_golden(name + "." + std::to_string(i)), 0, recorded);
      expect_close(parameters[i], expected, tolerance, name + " after step " + std::to_string(step + 1));
    }
    ++recorded;
  }
  EXPECT_EQ(recorded, 5);
  EXPECT_EQ(optimizer->step_count(), 50);
}

class TrainingTrajectory : public ::testing::TestWithParam<std::string> {};

TEST_P(TrainingTrajectory, FollowsPyTorchInF64) { follow(GetParam(), DType::f64, 1e-12); }
TEST_P(TrainingTrajectory, FollowsPyTorchInF32) { follow(GetParam(), DType::f32, 1e-5); }

// A recorded step reads the rate and the count anew, so replays have the bits of steps one by one.
TEST_P(TrainingTrajectory, HasTheSameBitsWhenItIsReplayed) {
  const auto train = [&](bool captures) {
    const std::vector<Tensor> parameters = start(DType::f32);
    const std::unique_ptr<Optimizer> optimizer = kCases.at(GetParam())(parameters);
    RecordedWork work;
    const double lr = optimizer->lr();
    for (std::int64_t step = 0; step < 8; ++step) {
      optimizer->set_lr(lr / static_cast<double>(1 + step));
      give_gradients(parameters, step);
      if (!captures) {
        optimizer->step();
      } else if (work.replay() == nullptr) {
        work.run([&] { return optimizer->step(), RecordedWork::Results(); }, {});
      }
    }
    EXPECT_EQ(work.recordings(), captures ? 1U : 0U);
    EXPECT_EQ(optimizer->step_count(), 8);
    return bits(parameters[0]) + bits(parameters[1]);
  };
  EXPECT_EQ(train(false), train(true));
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : kCases) names.push_back(name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Optimizers, TrainingTrajectory, ::testing::ValuesIn(case_names()),
                         [](const auto& test) { return test.param; });

// The product of many momenta, whose closed form replaces PyTorch's running product.
TEST(NAdam, KnowsTheProductOfItsMomentaAtAnyStep) {
  for (const double momentum_decay : {0.0, 4e-3, 0.3, 20.0, 1e9}) {
    for (const double beta1 : {0.0, 0.5, 0.9, 0.999}) {
      const NAdamOptions rule{.beta1 = beta1, .momentum_decay = momentum_decay};
      double product = 1;
      for (int t = 1; t <= 3000; ++t) {
        product *= rule.momentum_of(t);
        ASSERT_NEAR(rule.momentum_product(t), product, 1e-12) << momentum_decay << " " << beta1 << " " << t;
      }
    }
  }
}

Tensor parameter(std::initializer_list<float> v) {
  return Tensor::from<float>(v, {static_cast<std::int64_t>(v.size())}).set_requires_grad();
}

TEST(Optimizer, LeavesAParameterAloneThatNoLossReached) {
  const Tensor reached = parameter({1, 2}), other = parameter({3, 4});
  AdamW adamw({reached, other}, {.lr = 0.1, .weight_decay = 0.5});
  for (int step = 0; step < 2; ++step) {
    adamw.zero_grad();
    backward(sum(square(reached)));
    adamw.step();
  }
  EXPECT_THAT(values(other), ::testing::ElementsAre(3, 4));
  for (const nn::NamedTensor& entry : adamw.state()) {
    if (!entry.name.ends_with(".1")) continue;
    EXPECT_THAT(values(entry.tensor), ::testing::ElementsAre(0, 0)) << entry.name;
  }
  adamw.zero_grad();
  backward(sum(square(other)));
  adamw.step();
  EXPECT_LT(values(other)[0], 3);
}

// Four pieces of one size, each with a quarter of its mean loss, have the gradient of the whole batch.
TEST(Optimizer, TakesOneStepOfManyPiecesAsOfTheWholeBatch) {
  const Tensor x = Tensor::from<double>({1, 2, -1, 0.5, 3, -2, 0.25, 4}, {8, 1}),
               y = Tensor::from<double>({1, 0, 2, -1, 0.5, 1, 3, -2}, {8, 1});
  const auto train = [&](std::int64_t pieces) {
    const Tensor w = Tensor::from<double>({0.5}, {1, 1}).set_requires_grad();
    SGD sgd(std::vector{w}, {.lr = 0.05, .momentum = 0.9});
    for (int step = 0; step < 3; ++step) {
      sgd.zero_grad();
      for (std::int64_t i = 0; i < pieces; ++i) {
        const std::int64_t begin = i * 8 / pieces, end = (i + 1) * 8 / pieces;
        backward(mse_loss(matmul(slice(x, 0, begin, end), w), slice(y, 0, begin, end)) / static_cast<double>(pieces));
      }
      sgd.step();
    }
    return w.item<double>();
  };
  EXPECT_NEAR(train(4), train(1), 1e-14);
}

TEST(ParameterGroups, NameTheirStateAfterTheGroupWhereNamesStandTwice) {
  nn::Linear a(2, 3), b(3, 1);
  const SGD named({{a.named_parameters(), {.momentum = 0.9}}, {b.named_parameters(), {.momentum = 0.5}}});
  EXPECT_THAT(names_of(named.state()),
              ::testing::ElementsAre("step", "momentum_buffer.0.weight", "momentum_buffer.0.bias",
                                     "momentum_buffer.1.weight", "momentum_buffer.1.bias"));
  const SGD single({{a.named_parameters(), {.momentum = 0.9}}});
  EXPECT_THAT(names_of(single.state()),
              ::testing::ElementsAre("step", "momentum_buffer.weight", "momentum_buffer.bias"));
}

TEST(ParameterGroups, KeepTheRatioOfTheirRates) {
  const Tensor a = parameter({1}), b = parameter({1}), c = parameter({1});
  SGD sgd({{{a}, {.lr = 0.5}}, {{b}, {.lr = 0.25}}, {{c}, {.lr = 0}}});
  EXPECT_EQ(sgd.lr(), 0.5);
  sgd.set_lr(0.25);
  backward(sum(a) + sum(b) + sum(c));
  sgd.step();
  EXPECT_EQ(a.item<float>(), 0.75F);
  EXPECT_EQ(b.item<float>(), 0.875F);
  EXPECT_EQ(c.item<float>(), 1);
  EXPECT_EQ(sgd.step_count(), 1);
}

TEST(ParameterGroups, RefuseWhatTheyCannotShare) {
  const Tensor a = parameter({1}), b = parameter({1});
  EXPECT_EQ(message_of<ConfigError>([&] { SGD sgd(std::vector<SGD::Group>{}); }),
            "[optimizer] expected at least one group of parameters, got none");
  EXPECT_EQ(message_of<ConfigError>([&] {
              SGD sgd({{{a}, {.momentum = 0.9}}, {{b}, {}}});
            }),
            "[optimizer] expected groups with the same slots, got group 1 with 0 and group 0 with 1: momentum, "
            "centered and amsgrad are on in all groups or in none; otherwise make an optimizer for each group");
  EXPECT_EQ(message_of<ConfigError>([&] {
              SGD sgd({{{a}, {.lr = 0}}, {{b}, {.lr = 0.5}}});
            }),
            "[optimizer] expected a first group with lr above 0, got 0, and 0.5 in group 1: the rates of groups are in "
            "proportion to the first");
  EXPECT_THROW(SGD({{{a}, {.lr = 0.1}}, {{a}, {.lr = 0.2}}}), ConfigError);  // one parameter twice
  EXPECT_THROW(SGD({{{a}, {.lr = 0.1}}, {{b}, {.lr = -0.2}}}), ConfigError);
}

TEST(Momentum, ChangesBetweenSteps) {
  const Tensor w = parameter({0});
  SGD sgd(std::vector{w}, {.lr = 1, .momentum = 0.5});
  RecordedWork work;
  const auto step = [&] {
    copy_(w.grad(), Tensor::from<float>({1}, {1}));
    if (work.replay() == nullptr) work.run([&] { return sgd.step(), RecordedWork::Results(); }, {});
    return w.item<float>();
  };
  EXPECT_EQ(sgd.momentum(), 0.5);
  EXPECT_EQ(step(), -1);     // buffer 1
  EXPECT_EQ(step(), -2.5F);  // buffer 1.5
  sgd.set_momentum(2);
  EXPECT_EQ(step(), -6.5F);  // buffer 4
  EXPECT_EQ(sgd.momentum(), 2);
}

TEST(Momentum, IsRefusedWhereThereIsNone) {
  const Tensor w = parameter({0});
  SGD sgd(std::vector{w}, {.lr = 1});
  EXPECT_EQ(message_of<ConfigError>([&] { sgd.set_momentum(0.5); }),
            "[set_momentum] expected a momentum that stays 0 or stays above 0, because SGD keeps a slot for it: make "
            "the optimizer with a momentum above 0");
  Adagrad adagrad(std::vector{w});
  EXPECT_FALSE(adagrad.momentum().has_value());
  EXPECT_THROW(adagrad.set_momentum(0.5), ConfigError);
  Adam adam(std::vector{w});
  EXPECT_EQ(adam.momentum(), 0.9);
  EXPECT_THROW(adam.set_momentum(1), ConfigError);
  EXPECT_EQ(adam.momentum(), 0.9);
  EXPECT_THROW(capture([&] { adam.set_momentum(0.5); }), StateError);
}

TEST(OptimizerByName, KnowsAllOfThem) {
  std::vector<std::string> names;
  for (const OptimizerRow& row : optimizers()) names.push_back(row.name);
  EXPECT_THAT(names, ::testing::ElementsAre("sgd", "adam", "adamw", "rmsprop", "lion", "adagrad", "adadelta", "adamax",
                                            "nadam", "radam", "lamb"));
  const std::vector<Tensor> p = start(DType::f64);
  const std::unique_ptr<Optimizer> lamb = make_optimizer({{"optimizer", "lamb"}, {"lr", "0.02"}, {"eps", "1e-4"}}, p);
  EXPECT_EQ(lamb->lr(), 0.02);
  EXPECT_EQ(message_of<ConfigError>([&] {
              make_optimizer({{"optimizer", "lamb"}, {"beta1", "1"}}, p);
            }),
            "[LAMB] expected beta1 of at least 0 and below 1, got 1");
}

TEST(LAMB, TakesAPlainStepWhereANormIsZero) {
  const Tensor zero = parameter({0, 0}), still = parameter({3, 4});
  LAMB lamb({zero, still}, {.lr = 0.5, .beta1 = 0, .beta2 = 0, .eps = 0, .weight_decay = 0});
  zero.set_grad(Tensor::from<float>({2, -3}, {2}));
  still.set_grad(Tensor::from<float>({1, 1}, {2}));
  lamb.step();
  EXPECT_THAT(values(zero), ::testing::ElementsAre(-0.5, 0.5));
  // The change (1, 1) has the norm sqrt(2) and the weights have 5, so each element moves by 0.5 * 5 / sqrt(2).
  EXPECT_NEAR(values(still)[0], 3 - 2.5 / std::sqrt(2.0), 1e-6);
}

}  // namespace
}  // namespace hop::optim
