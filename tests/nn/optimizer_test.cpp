// Optimizers against trajectories from PyTorch, and what the block of gradients promises.
#include <functional>
#include <limits>
#include <memory>

#include "autograd/graph.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/optim/by_name.h"
#include "nn/optim/lion.h"
#include "nn/optim/rmsprop.h"
#include "nn/optim/sgd.h"
#include "tests/nn/support.h"

namespace hop::optim {
namespace {

using namespace nn::testing;
using Make = std::function<std::unique_ptr<Optimizer>(const ParameterList&)>;

template <class M, class Options>
Make make(Options options) {
  return [options](const ParameterList& p) { return std::make_unique<M>(p, options); };
}

const std::map<std::string, Make> kCases = {
    {"sgd", make<SGD>(SGDOptions{.lr = 0.1})},
    {"sgd_weight_decay", make<SGD>(SGDOptions{.lr = 0.05, .weight_decay = 0.1})},
    {"sgd_momentum", make<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9})},
    {"sgd_dampening", make<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.8, .dampening = 0.3, .weight_decay = 0.01})},
    {"sgd_nesterov", make<SGD>(SGDOptions{.lr = 0.03, .momentum = 0.9, .weight_decay = 0.02, .nesterov = true})},
    {"adam", make<Adam>(AdamOptions{.lr = 0.01})},
    {"adam_options",
     make<Adam>(AdamOptions{.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1})},
    {"adamw", make<AdamW>(AdamWOptions{.lr = 0.01})},
    {"adamw_options",
     make<AdamW>(AdamWOptions{.lr = 0.02, .beta1 = 0.7, .beta2 = 0.9, .eps = 1e-6, .weight_decay = 0.3})},
    {"rmsprop", make<RMSprop>(RMSpropOptions{.lr = 0.01})},
    {"rmsprop_momentum",
     make<RMSprop>(RMSpropOptions{.lr = 0.02, .alpha = 0.9, .eps = 1e-4, .weight_decay = 0.1, .momentum = 0.8})},
    {"rmsprop_centered", make<RMSprop>(RMSpropOptions{.lr = 0.02, .alpha = 0.8, .centered = true})},
    {"rmsprop_all",
     make<RMSprop>(RMSpropOptions{.lr = 0.01, .alpha = 0.95, .weight_decay = 0.05, .momentum = 0.5, .centered = true})},
    {"lion", make<Lion>(LionOptions{.lr = 0.01})},
    {"lion_options", make<Lion>(LionOptions{.lr = 0.003, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.2})},
};

// Feeds PyTorch's gradients for 50 steps and compares the parameters after steps 1, 2, 3, 10 and 50.
void follow(const std::string& name, DType dtype, double tolerance) {
  std::vector<Tensor> parameters;
  for (const char* i : {"0", "1"}) {
    parameters.push_back(clone(to(golden(std::string("optim.start.") + i), dtype)).set_requires_grad());
  }
  const std::unique_ptr<Optimizer> optimizer = kCases.at(name)(parameters);
  std::int64_t recorded = 0;
  for (std::int64_t step = 0; step < 50; ++step) {
    for (std::size_t i = 0; i < 2; ++i) {
      copy_(parameters[i].grad(), select(golden("optim.gradients." + std::to_string(i)), 0, step));
    }
    optimizer->step();
    if (step + 1 != std::array{1, 2, 3, 10, 50}[static_cast<std::size_t>(recorded)]) continue;
    for (std::size_t i = 0; i < 2; ++i) {
      const Tensor expected = select(golden(name + "." + std::to_string(i)), 0, recorded);
      expect_close(parameters[i], expected, tolerance, name + " after step " + std::to_string(step + 1));
    }
    ++recorded;
  }
  EXPECT_EQ(recorded, 5);
  EXPECT_EQ(optimizer->step_count(), 50);
}

class GoldenTrajectory : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTrajectory, FollowsPyTorchInF64) { follow(GetParam(), DType::f64, 1e-12); }
TEST_P(GoldenTrajectory, FollowsPyTorchInF32) { follow(GetParam(), DType::f32, 1e-5); }

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : kCases) names.push_back(name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Optimizers, GoldenTrajectory, ::testing::ValuesIn(case_names()),
                         [](const auto& test) { return test.param; });

Tensor parameter(std::initializer_list<float> v) {
  return Tensor::from<float>(v, {static_cast<std::int64_t>(v.size())}).set_requires_grad();
}

TEST(Optimizer, KeepsAllGradientsInOneBlockThatBackwardFills) {
  const Tensor a = parameter({1, 2, 3}), b = parameter({4});
  SGD sgd({a, b}, {.lr = 1});
  EXPECT_EQ(sgd.gradients().numel(), 2 * std::int64_t{kAlignment});
  const std::byte* grad_a = a.grad().raw_data();
  EXPECT_EQ(grad_a, sgd.gradients().raw_data());
  EXPECT_EQ(b.grad().raw_data(), sgd.gradients().raw_data() + kAlignment);
  for (int pass = 0; pass < 2; ++pass) {
    sgd.zero_grad();
    backward(sum(mul(a, a)) + sum(mul(b, 3)));
    EXPECT_EQ(a.grad().raw_data(), grad_a);
    EXPECT_THAT(values(a.grad()), ::testing::ElementsAre(2, 4, 6));
    EXPECT_THAT(values(b.grad()), ::testing::ElementsAre(3));
  }
  sgd.step();
  EXPECT_THAT(values(a), ::testing::ElementsAre(-1, -2, -3));
  EXPECT_THAT(values(b), ::testing::ElementsAre(1));
}

TEST(Optimizer, AddsUpGradientsUntilZeroGrad) {
  const Tensor a = parameter({1, 2});
  SGD sgd(std::vector{a}, {.lr = 1});
  for (int pass = 0; pass < 3; ++pass) backward(sum(a));
  EXPECT_THAT(values(a.grad()), ::testing::ElementsAre(3, 3));
  sgd.zero_grad();
  EXPECT_THAT(values(a.grad()), ::testing::ElementsAre(0, 0));
}

TEST(Optimizer, TakesBackAGradientThatTheUserReplaced) {
  const Tensor a = parameter({1, 2});
  SGD sgd(std::vector{a}, {.lr = 1});
  a.set_grad(Tensor::from<float>({10, 20}, {2}));
  sgd.step();
  EXPECT_THAT(values(a), ::testing::ElementsAre(-9, -18));
  sgd.zero_grad();
  EXPECT_EQ(a.grad().raw_data(), sgd.gradients().raw_data());
}

// The wider gradients would lie one over the other, and behind the block.
TEST(Optimizer, RefusesParametersThatWereConvertedSince) {
  nn::Linear fc(20, 20);
  nn::init_parameters(fc, 1);
  SGD sgd(fc.named_parameters(), {.lr = 1});
  fc.to(DType::f64);
  EXPECT_THAT(message_of<DtypeError>([&] { sgd.zero_grad(); }), ::testing::HasSubstr("after Module::to()"));
  fc.to(DType::f32);
  EXPECT_NO_THROW(sgd.zero_grad());
}

TEST(Optimizer, ScalesAndFreezesParametersOneByOne) {
  nn::Linear fc(1, 1);
  nn::init::constant_(fc.weight, 1);
  nn::init::constant_(fc.bias, 1);
  SGD sgd(fc.named_parameters(), {.lr = 0.5, .weight_decay = 1});
  sgd.segment("weight").lr_scale = 0.5;
  sgd.segment("bias").weight_decay_scale = 0;
  for (const Tensor& p : fc.parameters()) p.set_grad(kernels::zeros(p.shape(), p.dtype()));
  sgd.step();  // gradients are 0: only the decay acts
  EXPECT_FLOAT_EQ(fc.weight.item<float>(), 0.75F);
  EXPECT_FLOAT_EQ(fc.bias.item<float>(), 1);
  sgd.segment("weight").frozen = true;
  sgd.step();
  EXPECT_FLOAT_EQ(fc.weight.item<float>(), 0.75F);
}

TEST(Optimizer, RefusesScalesThatAreNotFiniteAndChangesNothing) {
  const Tensor a = parameter({1}), b = parameter({2});
  SGD sgd({a, b}, {.lr = 0.5});
  backward(add(sum(a), sum(b)));
  constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();
  for (double scale : {kNoNumber, std::numeric_limits<double>::infinity()}) {
    sgd.segment("1").lr_scale = scale;
    EXPECT_THROW(sgd.step(), ConfigError);
    sgd.segment("1").lr_scale = 1;
    sgd.segment("1").weight_decay_scale = scale;
    EXPECT_THROW(sgd.step(), ConfigError);
    sgd.segment("1").weight_decay_scale = 1;
  }
  EXPECT_EQ(a.item<float>(), 1);
  EXPECT_EQ(sgd.step_count(), 0);
  sgd.segment("1").lr_scale = kNoNumber;
  sgd.segment("1").frozen = true;  // nothing is scaled
  sgd.step();
  EXPECT_EQ(a.item<float>(), 0.5F);
  EXPECT_EQ(b.item<float>(), 2);
}

TEST(Optimizer, LeavesParametersAloneThatRequireNoGradient) {
  const Tensor a = parameter({1}), frozen = parameter({1});
  frozen.set_requires_grad(false);
  AdamW adamw({a, frozen}, {.lr = 0.1, .weight_decay = 1});
  backward(sum(a));
  adamw.step();
  EXPECT_NE(a.item<float>(), 1);
  EXPECT_EQ(frozen.item<float>(), 1);
  EXPECT_FALSE(frozen.grad().defined());
}

TEST(Optimizer, KeepsThePaddingBetweenGradientsAndParametersZeroAtAnyRate) {
  const Tensor a = parameter({1, 2, 3});
  AdamW adamw(std::vector{a}, {.lr = 1e9, .eps = 0, .weight_decay = 1});
  backward(sum(a));
  adamw.step();
  const Tensor all = adamw.gradients();
  const auto padding = std::span(all.raw_data(), static_cast<std::size_t>(all.numel())).subspan(3 * sizeof(float));
  EXPECT_TRUE(std::all_of(padding.begin(), padding.end(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST(Optimizer, NamesItsStateAfterSlotsAndParameters) {
  nn::Linear fc(2, 3);
  EXPECT_THAT(names_of(Adam(fc.named_parameters()).state()),
              ::testing::ElementsAre("step", "exp_avg.weight", "exp_avg.bias", "exp_avg_sq.weight", "exp_avg_sq.bias"));
  EXPECT_THAT(names_of(SGD(fc.parameters(), {.momentum = 0.9}).state()),
              ::testing::ElementsAre("step", "momentum_buffer.0", "momentum_buffer.1"));
  EXPECT_THAT(names_of(SGD(fc.parameters()).state()), ::testing::ElementsAre("step"));
}

TEST(RMSprop, KeepsTheSlotsOfItsSettings) {
  const Tensor p = parameter({1});
  const auto names = [&](RMSpropOptions options) { return names_of(RMSprop(std::vector{p}, options).state()); };
  EXPECT_THAT(names({}), ::testing::ElementsAre("step", "square_avg.0"));
  EXPECT_THAT(names({.momentum = 0.5}), ::testing::ElementsAre("step", "square_avg.0", "momentum_buffer.0"));
  EXPECT_THAT(names({.momentum = 0.5, .centered = true}),
              ::testing::ElementsAre("step", "square_avg.0", "grad_avg.0", "momentum_buffer.0"));
}

TEST(RMSprop, OfAConstantGradientHasNoNegativeVariance) {
  const Tensor p = parameter({1, 2, 3}), g = Tensor::from<float>({0.1F, 0.7F, 1.3F}, {3});
  RMSprop rmsprop(std::vector{p}, {.lr = 1e-6, .alpha = 0.5, .centered = true});
  for (int step = 0; step < 100; ++step) {
    p.set_grad(g);
    rmsprop.step();
  }
  for (const double value : values(p)) EXPECT_FALSE(std::isnan(value));
}

TEST(Optimizer, RejectsWhatItCannotUpdate) {
  const Tensor a = parameter({1, 2});
  EXPECT_EQ(message_of<ConfigError>([&] {
              SGD sgd({a, a});
            }),
            "[optimizer] expected distinct parameters, got one twice (1)");
  EXPECT_THROW(SGD(std::vector{Tensor::from<std::int64_t>({1}, {1})}), DtypeError);
  EXPECT_THROW(SGD(std::vector{a.as_strided({2}, {0}, 0)}), ShapeError);
  EXPECT_EQ(message_of<ConfigError>([&] { SGD sgd(std::vector{a}, {.lr = -1}); }),
            "[SGD] expected lr of at least 0, got -1");
  EXPECT_THROW(SGD(std::vector{a}, {.lr = NAN}), ConfigError);
  EXPECT_EQ(message_of<ConfigError>([&] { Adam adam(std::vector{a}, {.beta2 = 1}); }),
            "[Adam] expected beta2 of at least 0 and below 1, got 1");
  EXPECT_THROW(SGD(std::vector{a}, {.nesterov = true}), ConfigError);
  SGD sgd(std::vector{a});
  EXPECT_THROW(sgd.segment("1"), ConfigError);
}

TEST(OptimizerByName, ReadsItsOptionsFromText) {
  const Tensor by_hand = parameter({1, 2}), by_name = parameter({1, 2});
  AdamW adamw(std::vector{by_hand}, {.lr = 0.01, .beta1 = 0.8, .weight_decay = 0.2});
  const auto made = make_optimizer(
      {{"optimizer", "adamw"}, {"lr", "0.01"}, {"beta1", "0.8"}, {"weight_decay", "0.2"}, {"hidden", "128"}},
      std::vector{by_name});
  for (int step = 0; step < 3; ++step) {
    backward(sum(mul(by_hand, by_hand)));
    adamw.step();
    backward(sum(mul(by_name, by_name)));
    made->step();
  }
  EXPECT_EQ(bits(by_hand), bits(by_name));
}

TEST(OptimizerByName, RejectsUnknownNamesAndValues) {
  const std::vector<Tensor> p{parameter({1})};
  EXPECT_EQ(message_of<ConfigError>([&] {
              make_optimizer({{"optimizer", "adma"}}, p);
            }),
            "[config] optimizer: unknown value \"adma\"; did you mean \"adam\"?");
  EXPECT_EQ(message_of<ConfigError>([&] {
              make_optimizer({{"lr", "fast"}}, p);
            }),
            "[config] lr expects a number, got \"fast\"");
  EXPECT_THROW(make_optimizer({{"nesterov", "yes"}}, p), ConfigError);
}

}  // namespace
}  // namespace hop::optim
