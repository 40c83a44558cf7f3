// Which parameters an optimizer moves: those that require a gradient now and were given one.
#include "autograd/graph.h"
#include "autograd/inplace.h"
#include "kernels/capture.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/optim/sgd.h"
#include "tests/nn/support.h"

namespace hop::optim {
namespace {

using namespace nn::testing;

enum class Kind { sgd, momentum, adam, adamw };
constexpr Kind kKinds[] = {Kind::sgd, Kind::momentum, Kind::adam, Kind::adamw};

std::unique_ptr<Optimizer> make(Kind kind, const ParameterList& parameters) {
  switch (kind) {
    case Kind::sgd:
      return std::make_unique<SGD>(parameters, SGDOptions{.lr = 0.1, .weight_decay = 0.1});
    case Kind::momentum:
      return std::make_unique<SGD>(parameters, SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
    case Kind::adam:
      return std::make_unique<Adam>(parameters, AdamOptions{.lr = 0.1});
    case Kind::adamw:
      return std::make_unique<AdamW>(parameters, AdamWOptions{.lr = 0.1, .weight_decay = 0.1});
  }
  return nullptr;
}

Tensor leaf(float value) { return full({1}, value).set_requires_grad(); }
void step(Optimizer& o, const Tensor& loss) {
  o.zero_grad();
  backward(loss);
  o.step();
}

TEST(Parameters, StayWhenTheyAreFrozenLater) {
  const Tensor a = leaf(1);
  SGD o(std::vector{a}, {.lr = 0.1, .momentum = 0.9});
  step(o, sum(a));
  a.set_requires_grad(false);
  for (int i = 0; i < 20; ++i) {
    o.zero_grad();
    o.step();
  }
  EXPECT_FLOAT_EQ(a.item<float>(), 0.9F);
  for (const Kind kind : kKinds) {
    for (const bool zeroes : {false, true}) {
      const Tensor p = leaf(1), q = leaf(1);
      const auto optimizer = make(kind, {p, q});
      step(*optimizer, sum(p * q));
      p.set_requires_grad(false);
      const float before = p.item<float>(), moving = q.item<float>();
      for (int i = 0; i < 5; ++i) zeroes ? step(*optimizer, sum(p * q)) : optimizer->step();
      EXPECT_EQ(p.item<float>(), before);
      EXPECT_NE(q.item<float>(), moving);
    }
  }
}

TEST(Parameters, MoveWhenTheyAreThawedLater) {
  const Tensor b = ones({1});
  SGD p(std::vector{b}, {.lr = 0.1});
  b.set_requires_grad();
  step(p, sum(b));
  EXPECT_FLOAT_EQ(b.item<float>(), 0.9F);
  step(p, sum(b));
  EXPECT_FLOAT_EQ(b.item<float>(), 0.8F);
  EXPECT_EQ(b.grad().raw_data(), p.gradients().raw_data());
  b.set_requires_grad(false);
  p.step();
  b.set_requires_grad();
  step(p, sum(b * 2));
  EXPECT_FLOAT_EQ(b.item<float>(), 0.6F);
}

TEST(Parameters, ThawedBetweenZeroGradAndBackwardMove) {
  const Tensor b = ones({1});
  SGD p(std::vector{b}, {.lr = 0.1});
  p.zero_grad();
  b.set_requires_grad();
  backward(sum(b));
  p.step();
  EXPECT_FLOAT_EQ(b.item<float>(), 0.9F);
}

TEST(Parameters, ThatWereComputedAreRefused) {
  const Tensor w = ones({2}, {.requires_grad = true}) * 0.1;
  EXPECT_EQ(message_of<AutogradError>([&] { SGD q(std::vector{w}, {.lr = 1}); }),
            "[optimizer] expected parameters that are leaves, got f32 (2) on cpu that was computed from others (0); "
            "detach() it first");
  EXPECT_THROW(Adam(std::vector{ones({2}), w}), AutogradError);
  EXPECT_NO_THROW(Adam(std::vector{w.detach().set_requires_grad()}));
}

TEST(Parameters, KeepTheGradientsThatTheyHaveWhenTheOptimizerIsMade) {
  const Tensor c = leaf(1);
  backward(sum(c * 5));
  SGD r(std::vector{c}, {.lr = 0.1});
  EXPECT_EQ(c.grad().raw_data(), r.gradients().raw_data());
  r.step();
  EXPECT_FLOAT_EQ(c.item<float>(), 0.5F);
  backward(sum(c * 5));  // and go on adding up
  r.step();
  EXPECT_FLOAT_EQ(c.item<float>(), -0.5F);
  SGD next(std::vector{c}, {.lr = 0.1});  // of another optimizer, too
  next.step();
  EXPECT_FLOAT_EQ(c.item<float>(), -1.5F);
}

TEST(Parameters, KeepZeroedGradientsZeroWhenAnotherOptimizerIsMade) {
  const Tensor c = leaf(1);
  SGD first(std::vector{c}, {.lr = 0.1});
  backward(sum(c * 5));
  first.zero_grad();
  SGD second(std::vector{c}, {.lr = 0.1, .weight_decay = 1});
  EXPECT_EQ(c.grad().item<float>(), 0);
  second.step();
  EXPECT_EQ(c.item<float>(), 1);
}

TEST(Parameters, ThatNoLossReachedStay) {
  for (const Kind kind : kKinds) {
    for (const bool looks : {false, true}) {
      const Tensor reached = leaf(1), never = leaf(1), once = leaf(1);
      const auto o = make(kind, {reached, never, once});
      const auto work = [&](const Tensor& loss) {
        o->zero_grad();
        if (looks) static_cast<void>(never.grad());
        backward(loss);
        if (looks) static_cast<void>(o->gradients());
        o->step();
      };
      work(sum(reached * once));
      const float then = once.item<float>();
      for (int i = 0; i < 10; ++i) work(sum(reached));
      EXPECT_NE(reached.item<float>(), 1);
      EXPECT_EQ(never.item<float>(), 1) << "looks: " << looks;
      EXPECT_EQ(once.item<float>(), then) << "looks: " << looks;
      EXPECT_EQ(never.grad().item<float>(), 0);
      EXPECT_EQ(o->step_count(), 11);
    }
  }
}

TEST(Parameters, ThatNoLossReachedStayAfterTheModulesZeroGrad) {
  nn::Linear a(2, 1), b(2, 1);
  nn::init_parameters(a, 1);
  nn::init_parameters(b, 2);
  std::vector<Tensor> all = a.parameters();
  for (const Tensor& p : b.parameters()) all.push_back(p);
  SGD o(all, {.lr = 0.1, .momentum = 0.9});
  backward(sum(a(ones({1, 2}))) + sum(b(ones({1, 2}))));
  o.step();
  const std::string before = bits(b.weight);
  a.zero_grad();
  b.zero_grad();
  backward(sum(a(ones({1, 2}))));
  o.step();
  EXPECT_EQ(bits(b.weight), before);
}

// A gradient of zeros that somebody gave is one: it decays.
TEST(Parameters, WithAGivenGradientOfZerosMove) {
  const auto moved = [](const auto& give) {
    const Tensor p = leaf(1);
    SGD o(std::vector{p}, {.lr = 0.1, .weight_decay = 1});
    o.zero_grad();
    give(p);
    o.step();
    return p.item<float>();
  };
  EXPECT_FLOAT_EQ(moved([](const Tensor& p) { backward(sum(p * 0)); }), 0.9F);
  EXPECT_FLOAT_EQ(moved([](const Tensor& p) { p.set_grad(zeros({1})); }), 0.9F);
  EXPECT_FLOAT_EQ(moved([](const Tensor& p) { fill_(p.grad(), 0); }), 0.9F);
  EXPECT_FLOAT_EQ(moved([](const Tensor& p) { copy_(p.grad(), ones({1})); }), 0.8F);
  EXPECT_FLOAT_EQ(moved([](const Tensor&) {}), 1);
}

TEST(Parameters, StayAndMoveInCapturedStepsAsInEagerOnes) {
  for (const Kind kind : kKinds) {
    std::vector<std::string> seen[2];
    for (const bool captured : {false, true}) {
      const Tensor a = leaf(1), b = leaf(1), c = ones({1});
      const auto o = make(kind, {a, b, c});
      bool uses_b = true;
      const auto work = [&](const Tensor& x) {
        step(*o, sum(a * x * c) + (uses_b ? sum(b * x) : sum(a)));
        return a.detach();
      };
      const auto work_without_b = [&](const Tensor& x) {
        uses_b = false;
        return work(x);
      };
      CapturedFunction f([&](std::span<const Tensor> t) { return std::vector{work(t[0])}; });
      CapturedFunction g([&](std::span<const Tensor> t) { return std::vector{work_without_b(t[0])}; });
      for (int i = 0; i < 16; ++i) {
        const Tensor x = full({1}, 1 + i);
        uses_b = true;
        if (i == 6) c.set_requires_grad();
        if (i == 12) a.set_requires_grad(false);
        const bool with_b = i % 5 != 4;
        captured ? static_cast<void>(with_b ? f({x}) : g({x}))
                 : static_cast<void>(with_b ? work(x) : work_without_b(x));
        seen[captured].push_back(bits(a) + bits(b) + bits(c) + bits(b.grad()));
      }
    }
    EXPECT_EQ(seen[0], seen[1]);
  }
}

}  // namespace
}  // namespace hop::optim
