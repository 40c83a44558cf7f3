// What happens around a captured step between two calls, a call sees: it has the bits of an eager one. And a plan never
// touches what is gone.
#include <functional>
#include <map>

#include "autograd/graph.h"
#include "autograd/inplace.h"
#include "kernels/capture.h"
#include "kernels/threads.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/optim/sgd.h"
#include "nn/state.h"
#include "tensor/allocator.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

Tensor row(std::initializer_list<float> v) { return Tensor::from<float>(v, {static_cast<std::int64_t>(v.size())}); }

/// What a step may read, write and ask.
struct World {
  Sequential net{Linear(6, 8), BatchNorm1d(8), Dropout(0.5), ReLU(), Linear(8, 3)};
  Tensor table = row({1, 2, 3});  // read by the step
  Tensor flag = kernels::zeros({}, DType::f64);
  std::vector<Tensor> kept;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::unique_ptr<StateBlock> state;

  World() {
    init_parameters(net, 7);
    net.set_random_key(3);
    restart(0.1);
  }
  void restart(double lr) {
    optimizer = std::make_unique<optim::SGD>(net.named_parameters(),
                                             optim::SGDOptions{.lr = lr, .momentum = 0.9, .weight_decay = 0.01});
  }
  Tensor parameter(std::size_t i) const { return net.parameters()[i]; }
  void zero_to_none() const {
    for (const Tensor& p : net.parameters()) p.set_grad({});
  }

  Tensor step(const Tensor& x) {
    net.begin_step();
    optimizer->zero_grad();
    const Tensor y = net(x);
    const Tensor loss = sum(square(y * table));
    if (loss.requires_grad()) backward(loss);
    optimizer->step();
    return loss.detach();
  }
  /// Forward and backward alone: gradients add up until somebody outside empties them.
  Tensor pass(const Tensor& x) {
    net.begin_step();
    const Tensor loss = sum(square(net(x) * table));
    if (loss.requires_grad()) backward(loss);
    return loss.detach();
  }
  /// A step that empties the gradients at its end.
  Tensor pass_and_step(const Tensor& x) {
    const Tensor loss = pass(x);
    optimizer->step();
    optimizer->zero_grad();
    return loss;
  }

  std::string bits_of_all() const {
    std::string all;
    for (const NamedTensor& entry : net.state_dict()) all += bits(entry.tensor);
    for (const Tensor& p : net.parameters()) all += p.grad().defined() ? bits(p.grad()) : "none";
    for (const NamedTensor& entry : optimizer->state()) all += bits(entry.tensor);
    return all;
  }
};

using Change = std::function<void(World&, int call)>;

template <class F>
Change at(int when, F change) {
  return [=](World& w, int call) {
    if (call == when) change(w);
  };
}

const std::map<std::string, Change>& changes() {
  static const std::map<std::string, Change> all{
      {"nothing", [](World&, int) {}},
      {"gradients set to none once", at(4, [](World& w) { w.zero_to_none(); })},
      {"gradients set to none each time", [](World& w, int) { w.zero_to_none(); }},
      {"gradients set to none, the old ones kept", at(4,
                                                      [](World& w) {
                                                        for (const Tensor& p : w.net.parameters())
                                                          w.kept.push_back(p.grad());
                                                        w.zero_to_none();
                                                      })},
      {"one gradient set to none", at(4, [](World& w) { w.parameter(1).set_grad({}); })},
      {"a gradient of one's own", at(4, [](World& w) { w.parameter(1).set_grad(kernels::ones({8}, DType::f32)); })},
      {"zeroed outside",
       [](World& w, int call) {
         if (call % 2 == 0) w.net.zero_grad();
       }},
      {"scaled outside",
       [](World& w, int) {
         for (const Tensor& p : w.net.parameters()) {
           if (p.grad().defined()) mul_(p.grad(), 0.5);
         }
       }},
      {"looked at", [](World& w, int) { static_cast<void>(w.optimizer->gradients()); }},
      {"a block", at(4, [](World& w) { w.state = std::make_unique<StateBlock>(w.net, w.optimizer.get()); })},
      {"a block that is swapped",
       [](World& w, int call) {
         if (call == 3) w.state = std::make_unique<StateBlock>(w.net, w.optimizer.get());
         if (call < 4) return;
         const StateBytes other = w.state->make_bytes();
         std::copy_n(w.state->bytes().data(), other->size(), other->data());
         w.state->swap(other);
       }},
      {"another optimizer", at(4, [](World& w) { w.restart(0.01); })},
      {"another optimizer beside the old one", at(4,
                                                  [](World& w) {
                                                    static std::vector<std::unique_ptr<optim::Optimizer>> old;
                                                    old.push_back(std::move(w.optimizer));
                                                    w.restart(0.01);
                                                  })},
      {"another learning rate", [](World& w, int call) { w.optimizer->set_lr(0.1 / (1 + call)); }},
      {"a tensor assigned anew", at(4,
                                    [](World& w) {
                                      w.table = row({5, 6, 7});
                                    })},
      {"a tensor written", at(4,
                              [](World& w) {
                                kernels::copy_(w.table, row({5, 6, 7}));
                              })},
      {"evaluation", at(4, [](World& w) { w.net.eval(); })},
      {"evaluation and back", [](World& w, int call) { w.net.train(call / 3 % 2 == 0); }},
      {"evaluation of a part", at(4, [](World& w) { w.net.named_children()[1].module->eval(); })},
      {"a frozen parameter", at(4, [](World& w) { w.parameter(0).set_requires_grad(false); })},
      {"all frozen, then thawed", [](World& w, int call) { w.net.requires_grad_(call < 4 || call > 7); }},
      {"another key", at(4, [](World& w) { w.net.set_random_key(9); })},
      {"a step", [](World& w, int call) { w.net.set_step(static_cast<std::uint64_t>(call)); }},
      {"a source", at(4,
                      [](World& w) {
                        w.kept = {Tensor::from<std::int64_t>({4}, {1})};
                        w.net.set_random_source(w.kept[0], w.optimizer->step_tensor());
                      })},
      {"a hook of a module", at(4,
                                [](World& w) {
                                  w.net.named_children()[3].module->register_forward_hook(
                                      [](Module&, const Tensor&, const Tensor& y) { return y * 2; });
                                })},
      {"a hook of a module, removed",
       [](World& w, int call) {
         static std::uint64_t hook = 0;
         Module& relu = *w.net.named_children()[3].module;
         if (call == 0)
           hook = relu.register_forward_hook([](Module&, const Tensor&, const Tensor& y) { return y * 2; });
         if (call == 4) relu.remove_hook(hook);
       }},
      {"a hook of a gradient",
       at(4, [](World& w) { register_hook(w.parameter(0), [](const Tensor& g) { return g * 3; }); })},
      {"hooks of a gradient, one removed",
       [](World& w, int call) {
         static HookHandle hook;
         if (call == 0) hook = register_hook(w.parameter(0), [](const Tensor& g) { return g * 3; });
         if (call == 4) hook.remove();
       }},
      {"a scale", at(4, [](World& w) { w.optimizer->segments()[0].lr_scale = 0.5; })},
      {"a decay", at(4, [](World& w) { w.optimizer->segments()[0].weight_decay_scale = 0; })},
      {"a frozen row", [](World& w, int call) { w.optimizer->segments()[0].frozen = call > 3 && call < 8; }},
      {"a flag to stop", at(4,
                            [](World& w) {
                              w.flag = kernels::ones({}, DType::f64);
                              w.optimizer->stop_when(w.flag);
                            })},
      {"a layer more", at(4,
                          [](World& w) {
                            w.net = Sequential(Linear(6, 3));
                            init_parameters(w.net, 8);
                            w.net.set_random_key(3);
                            w.restart(0.1);
                          })},
  };
  return all;
}

using Work = Tensor (World::*)(const Tensor&);

std::vector<std::string> play(Work work, bool captured, const Change& change) {
  World world;
  CapturedFunction f([&](std::span<const Tensor> in) { return std::vector{(world.*work)(in[0])}; });
  std::vector<std::string> seen;
  for (int call = 0; call < 12; ++call) {
    change(world, call);
    PhiloxStream random({.key = static_cast<std::uint64_t>(call)});
    const Tensor x = Tensor::empty({4, 6}, DType::f32);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = random.uniform() - 0.5F;
    const std::string loss = bits(captured ? f({x})[0] : (world.*work)(x));
    seen.push_back(loss + world.bits_of_all());
  }
  return seen;
}

class CapturedChange : public ::testing::TestWithParam<std::string> {};

TEST_P(CapturedChange, GivesTheBitsOfEagerCalls) {
  for (const Work work : {&World::step, &World::pass, &World::pass_and_step}) {
    const auto eager = play(work, false, changes().at(GetParam())),
               captured = play(work, true, changes().at(GetParam()));
    for (std::size_t call = 0; call < eager.size(); ++call) {
      ASSERT_TRUE(eager[call] == captured[call]) << "call " << call << " of "
                                                 << (work == &World::step   ? "step"
                                                     : work == &World::pass ? "pass"
                                                                            : "pass_and_step");
    }
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, change] : changes()) all.push_back(name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Between, CapturedChange, ::testing::ValuesIn(names()), [](const auto& test) {
  std::string name;
  for (const char c : test.param) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

TEST(CapturedChanges, OfGradientsWriteIntoNobodyElsesTensor) {
  const Tensor p = ones({1000}, {.requires_grad = true});
  CapturedFunction f([&](std::span<const Tensor> t) {
    const Tensor loss = sum(p * t[0]);
    backward(loss);
    return std::vector{loss};
  });
  const Tensor x = full({1000}, 3.0);
  for (int i = 0; i < 3; ++i) f({x});
  p.set_grad({});
  const Tensor other = zeros({1000});
  f({x});
  EXPECT_EQ(sum(other).item<float>(), 0);
  ASSERT_TRUE(p.grad().defined());
  EXPECT_EQ(sum(p.grad()).item<float>(), 3000);
}

TEST(CapturedChanges, OfTheStepDrawOtherMasks) {
  Dropout d(0.5);
  d.set_random_key(1);
  CapturedFunction f([&](std::span<const Tensor> t) { return std::vector{sum(d(t[0]) * arange(8, DType::f32))}; });
  std::vector<float> sums;
  for (std::uint64_t s = 0; s < 5; ++s) {
    d.set_step(s);
    sums.push_back(f({ones({8})})[0].item<float>());
  }
  EXPECT_THAT(sums, ::testing::ElementsAre(44, 22, 20, 30, 28));
}

// No step is ever set: each call draws where the one before stopped.
TEST(CapturedChanges, OfTheDrawGoOnFromCallToCall) {
  for (const bool source : {false, true}) {
    std::vector<std::string> seen[2];
    for (const bool captured : {false, true}) {
      Dropout d(0.5);
      const Tensor key = Tensor::from<std::int64_t>({5}, {1}), step = Tensor::from<std::int64_t>({0}, {1});
      source ? d.set_random_source(key, step) : d.set_random_key(5);
      const auto draw = [&](const Tensor& x) { return d(x); };
      CapturedFunction f([&](std::span<const Tensor> t) { return std::vector{draw(t[0])}; });
      for (int i = 0; i < 40; ++i) seen[captured].push_back(bits(captured ? f({ones({64})})[0] : draw(ones({64}))));
    }
    EXPECT_EQ(seen[0], seen[1]) << "source: " << source;
  }
}

TEST(CapturedChanges, OfASourceThatIsReadAreReplayed) {
  Dropout d(0.5);
  const Tensor key = Tensor::from<std::int64_t>({5}, {1}), step = Tensor::from<std::int64_t>({0}, {1});
  d.set_random_source(key, step);
  int runs = 0;
  CapturedFunction f([&](std::span<const Tensor> t) {
    ++runs;
    d.begin_step();
    return std::vector{d(t[0])};
  });
  std::vector<std::string> masks;
  for (int i = 0; i < 10; ++i) {
    kernels::fill_(step, i);
    masks.push_back(bits(f({ones({64})})[0]));
  }
  EXPECT_EQ(runs, 2);
  std::sort(masks.begin(), masks.end());
  EXPECT_EQ(std::unique(masks.begin(), masks.end()), masks.end());
}

TEST(CapturedChanges, OfTheModeStopTheStatistics) {
  BatchNorm1d norm(1);
  init_parameters(norm, 1);
  CapturedFunction f([&](std::span<const Tensor> t) { return std::vector{norm(t[0])}; });
  const Tensor x = Tensor::from<float>({1, 3}, {2, 1});
  for (int i = 0; i < 2; ++i) f({x});
  norm.eval();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bits(f({x})[0]), bits(norm(x)));
  EXPECT_EQ(norm.num_batches_tracked.item<std::int64_t>(), 2);
}

// Modes, frozen layers: what comes back is replayed again.
TEST(CapturedChanges, ThatComeBackAreReplayed) {
  World w;
  int runs = 0;
  CapturedFunction f([&](std::span<const Tensor> t) {
    ++runs;
    w.net.begin_step();
    return std::vector{sum(w.net(t[0]))};
  });
  for (int i = 0; i < 60; ++i) {
    w.net.train(i % 3 != 0);
    w.parameter(0).set_requires_grad(i % 2 != 0);
    f({ones({4, 6})});
  }
  EXPECT_LT(runs, 12);
}

TEST(CapturedChanges, OfWhatTheStepSetsItselfAreNone) {
  BatchNorm1d norm(1);
  init_parameters(norm, 1);
  int runs = 0;
  CapturedFunction f([&](std::span<const Tensor> t) {
    ++runs;
    norm.train();
    return std::vector{norm(t[0])};
  });
  for (int i = 0; i < 6; ++i) {
    norm.eval();
    f({Tensor::from<float>({1, 3}, {2, 1})});
    EXPECT_TRUE(norm.is_training());
  }
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(norm.num_batches_tracked.item<std::int64_t>(), 6);
}

TEST(CapturedChanges, OfThreadsAndGradModeGiveEagerBits) {
  const Tensor p = ones({8, 8}, {.requires_grad = true});
  const auto work = [&](const Tensor& x) { return sum(matmul(x, p)); };
  CapturedFunction f([&](std::span<const Tensor> t) { return std::vector{work(t[0])}; });
  const Tensor x = full({8, 8}, 0.3);
  for (int i = 0; i < 9; ++i) {
    kernels::set_compute_threads(1 + i % 2);
    const GradModeGuard mode(i < 6);
    const Tensor y = f({x})[0];
    EXPECT_EQ(bits(y), bits(work(x)));
    EXPECT_EQ(y.requires_grad(), i < 6);
  }
  kernels::set_compute_threads(1);
}

// ---- A plan alone cannot record anew: it says why, and does nothing.

struct Case {
  std::string name, reason;
  std::function<void(World&)> change;
};

TEST(PlanThatDoesNotHold, ThrowsAReasonAndTouchesNothing) {
  const Case cases[] = {
      {"none", "another gradient of a leaf (f32 (8, 6) on cpu)", [](World& w) { w.zero_to_none(); }},
      {"block", "a tensor that lies somewhere else now",
       [](World& w) { w.state = std::make_unique<StateBlock>(w.net); }},
      {"optimizer", "", [](World& w) { w.restart(0.01); }},
      {"table", "a tensor that nobody else holds any more (f32 (3) on cpu)",
       [](World& w) {
         w.table = row({5, 6, 7});
       }},
      {"mode", "another training mode of a module", [](World& w) { w.net.eval(); }},
      {"frozen", "another requires_grad() of a tensor", [](World& w) { w.net.requires_grad_(false); }},
      {"key", "another source of random numbers", [](World& w) { w.net.set_random_key(9); }},
      {"step", "random numbers that the host would draw elsewhere now", [](World& w) { w.net.set_step(9); }},
      {"hook", "other hooks of a module", [](World& w) { w.net.register_forward_hook({}); }},
      {"leaf hook", "hooks on a leaf's gradient",
       [](World& w) { register_hook(w.parameter(0), [](const Tensor&) { return Tensor(); }); }},
      {"scale", "another scale of a parameter", [](World& w) { w.optimizer->segments()[0].lr_scale = 0.5; }},
      {"stop", "another flag of stop_when()", [](World& w) { w.optimizer->stop_when(w.flag); }},
  };
  for (const Case& c : cases) {
    World world;
    const Tensor x = ones({4, 6});
    world.step(x);
    const Plan plan = capture([&] { world.step(x); });
    plan.replay();
    EXPECT_TRUE(plan.holds()) << c.name;
    const Tensor old = world.parameter(0).grad();
    c.change(world);
    const std::string before = world.bits_of_all();
    const std::string message = message_of<StateError>([&] { plan.replay(); });
    EXPECT_EQ(message.find("[capture] expected what the step was recorded with, got " + c.reason), 0U)
        << c.name << ": " << message;
    EXPECT_FALSE(plan.holds()) << c.name;
    EXPECT_TRUE(before == world.bits_of_all()) << c.name;
  }
}

TEST(PlanThatDoesNotHold, KeepsWhatItReadsAndWritesAlive) {
  Tensor a = full({1000}, 1), y = zeros({1000});
  const Plan plan = capture([&] { kernels::copy_(y, a); });
  a = {};
  y = {};
  const Tensor others[] = {zeros({1000}), zeros({1000})};
  EXPECT_THROW(plan.replay(), StateError);
  for (const Tensor& other : others) EXPECT_EQ(sum(other).item<float>(), 0);
}

TEST(PlanThatDoesNotHold, IsGivenUpWithAllThatItHeld) {
  const auto table = std::make_unique<Tensor>(ones({1 << 16}));
  CapturedFunction f([&](std::span<const Tensor> t) { return std::vector{sum(*table * t[0])}; });
  std::size_t active = 0;
  for (int i = 0; i < 20; ++i) {
    *table = full({1 << 16}, i);
    for (int k = 0; k < 3; ++k) EXPECT_EQ(f({ones({1})})[0].item<float>(), static_cast<float>(i) * (1 << 16));
    if (i == 2) active = memory::active();
  }
  EXPECT_EQ(memory::active(), active);
}

TEST(Capture, RefusesANewRandomAddressInsideTheStep) {
  Dropout d(0.5);
  d.set_random_key(1);
  EXPECT_THROW(capture([&] { d.set_step(1); }), StateError);
  EXPECT_THROW(capture([&] { d.set_random_key(1); }), StateError);
}

}  // namespace
}  // namespace hop::nn
