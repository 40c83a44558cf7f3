// L-BFGS against PyTorch: the parameters after each step, the losses and how often the closure was called.
#include "nn/optim/lbfgs.h"

#include "autograd/graph.h"
#include "tests/nn/training_golden.h"

namespace hop::optim {
namespace {

using namespace nn::testing;
using Function = std::function<Tensor(const Tensor&)>;

// Rosenbrock's function.
Tensor valley(const Tensor& x) {
  const Tensor a = select(x, 0, 0), b = select(x, 0, 1);
  return square(b - square(a)) * 100.0 + square(1.0 - a);
}

Tensor bowl(const Tensor& x) {
  const Tensor weights = to(Tensor::from<double>({1, 5, 20}, {3}), x.dtype());
  return sum(square(x - 1.0) * weights) + sum(square(square(x))) * 0.1;
}

struct Case {
  std::string name;
  Function function;
  std::vector<double> start;
  LBFGSOptions options;
};

std::vector<Case> cases() {
  constexpr LineSearchKind kWolfe = LineSearchKind::strong_wolfe;
  return {
      {"lbfgs", bowl, {2, -1, 0.5}, {.max_iter = 4}},
      {"lbfgs_options", bowl, {2, -1, 0.5}, {.lr = 0.3, .max_iter = 5, .max_eval = 4, .history_size = 2}},
      {"lbfgs_wolfe", valley, {-1.2, 1}, {.max_iter = 4, .line_search = kWolfe}},
      {"lbfgs_wolfe_options", valley, {-1.2, 1}, {.lr = 0.7, .max_iter = 6, .history_size = 2, .line_search = kWolfe}},
      {"lbfgs_wolfe_bowl", bowl, {2, -1, 0.5}, {.line_search = kWolfe}}};
}

Tensor start_of(const Case& c, DType dtype) {
  const Tensor x = Tensor::from(std::span<const double>(c.start), {static_cast<std::int64_t>(c.start.size())});
  return clone(to(x, dtype)).set_requires_grad();
}

Tensor closure(Optimizer& optimizer, const Function& function, const Tensor& x) {
  optimizer.zero_grad();
  const Tensor loss = function(x);
  backward(loss);
  return loss;
}

TEST(LBFGS, ClimbsAsItDescendsTheNegativeLoss) {
  for (Case& c : cases()) {
    const Tensor down = start_of(c, DType::f64), up = start_of(c, DType::f64);
    const Function negative = [&](const Tensor& x) { return -c.function(x); };
    LBFGS falls(std::vector{down}, c.options);
    c.options.maximize = true;
    LBFGS climbs(std::vector{up}, c.options);
    for (int step = 0; step < 6; ++step) {
      const Tensor loss = falls.step([&] { return closure(falls, c.function, down); });
      const Tensor of_climb = climbs.step([&] { return closure(climbs, negative, up); });
      EXPECT_EQ(of_climb.item<double>(), -loss.item<double>()) << c.name << " " << step;
      EXPECT_EQ(values(up), values(down)) << c.name << " " << step;
    }
  }
}

TEST(LBFGS, FollowsPyTorch) {
  for (const Case& c : cases()) {
    const Tensor x = start_of(c, DType::f64);
    LBFGS lbfgs(std::vector{x}, c.options);
    const std::vector<double> losses = values(training_golden(c.name + ".losses"));
    for (std::int64_t step = 0; step < 6; ++step) {
      const Tensor loss = lbfgs.step([&] { return closure(lbfgs, c.function, x); });
      EXPECT_NEAR(loss.item<double>(), losses[static_cast<std::size_t>(step)], 1e-8) << c.name << " " << step;
      expect_close(x, select(training_golden(c.name), 0, step), 1e-8, c.name + " " + std::to_string(step));
    }
    EXPECT_EQ(lbfgs.step_count(), 6);
    // Where a tolerance ends a step, rounding may decide about one call more.
    const bool ends_by_tolerance = c.name == "lbfgs" || c.name == "lbfgs_wolfe_bowl";
    if (ends_by_tolerance) continue;
    EXPECT_EQ(lbfgs.evaluations(), training_golden(c.name + ".evaluations").item<std::int64_t>()) << c.name;
  }
}

// The same numbers in two parameters of f32, one of which is a scalar, and beside them a frozen one.
TEST(LBFGS, FindsTheValleyOfSeveralParameters) {
  const Tensor a = Tensor::from<float>({-1.2F}, {}).set_requires_grad(),
               b = Tensor::from<float>({1}, {1, 1}).set_requires_grad(),
               frozen = Tensor::from<float>({3}, {1}).set_requires_grad(),
               unused = Tensor::from<float>({4, 5}, {2}).set_requires_grad();
  LBFGS lbfgs({a, frozen, unused, b}, {.line_search = LineSearchKind::strong_wolfe});
  lbfgs.segment("1").frozen = true;
  for (int step = 0; step < 5; ++step) {
    lbfgs.step([&] {
      lbfgs.zero_grad();
      const Tensor loss = sum(square(b - square(a)) * 100.0 + square(1.0 - a) + (frozen - 3.0));
      backward(loss);
      return loss;
    });
  }
  EXPECT_NEAR(a.item<double>(), 1, 1e-2);
  EXPECT_NEAR(b.item<double>(), 1, 2e-2);
  EXPECT_EQ(frozen.item<float>(), 3);
  EXPECT_THAT(values(unused), ::testing::ElementsAre(4, 5));
}

TEST(LBFGS, StaysAtAMinimum) {
  const Tensor x = Tensor::from<double>({0, 0}, {2}).set_requires_grad();
  LBFGS lbfgs(std::vector{x});
  EXPECT_EQ(lbfgs
                .step([&] {
                  return closure(
                      lbfgs, [](const Tensor& y) { return sum(square(y)); }, x);
                })
                .item<double>(),
            0);
  EXPECT_EQ(lbfgs.evaluations(), 1);
  EXPECT_THAT(values(x), ::testing::ElementsAre(0, 0));
}

// The history is of all parameters: it must not be taken for that of another one of the same size.
TEST(LBFGS, LeavesAFrozenParameterAloneAndGoesOnWithTheOthers) {
  const Tensor a = kernels::full({3}, 2, DType::f64), b = kernels::full({3}, -1, DType::f64);
  for (const Tensor& p : {a, b}) p.set_requires_grad();
  LBFGS optimizer({a, b}, {.lr = 0.5, .max_iter = 3});
  const auto loss = [&] {
    optimizer.zero_grad();
    const Tensor value = bowl(a) + bowl(b * 2);
    backward(value);
    return value;
  };
  optimizer.step(loss);
  a.set_requires_grad(false);
  const std::string frozen = bits(a);
  double before = (bowl(a) + bowl(b.detach() * 2)).item<double>();
  for (int i = 0; i < 4; ++i) optimizer.step(loss);
  EXPECT_EQ(bits(a), frozen);
  const double after = (bowl(a) + bowl(b.detach() * 2)).item<double>();
  EXPECT_LT(after, before);
  a.set_requires_grad();
  for (int i = 0; i < 20; ++i) optimizer.step(loss);
  EXPECT_NE(bits(a), frozen);
  EXPECT_LT((bowl(a.detach()) + bowl(b.detach() * 2)).item<double>(), after);
}

TEST(LBFGS, SaysWhatItNeeds) {
  const Tensor x = Tensor::from<double>({1}, {1}).set_requires_grad();
  LBFGS lbfgs(std::vector{x});
  EXPECT_EQ(
      message_of<ConfigError>([&] { lbfgs.step(); }),
      "[LBFGS] expected a closure, got none: write step([&] { .. return loss; }), because each iteration computes "
      "the loss anew");
  EXPECT_EQ(message_of<ConfigError>([&] { LBFGS refused(std::vector{x}, {.max_iter = 0}); }),
            "[LBFGS] expected max_iter of at least 1, got 0");
  EXPECT_THROW(LBFGS(std::vector{x}, {.history_size = 0}), ConfigError);
  EXPECT_THROW(LBFGS(std::vector{x}, {.max_eval = 0}), ConfigError);
}

}  // namespace
}  // namespace hop::optim
