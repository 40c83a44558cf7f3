// Captured steps and recordings around which something changed: no wrong number, and nothing touches what is gone.
#include <algorithm>

#include "kernels/threads.h"
#include "tensor/allocator.h"
#include "tests/nn/captured_world.h"

namespace hop::nn {
namespace {

using namespace testing;

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

// ---- A recording alone cannot record anew: it says why, and does nothing.

struct Case {
  std::string name, reason;
  std::function<void(World&)> change;
};

TEST(RecordingThatDoesNotHold, ThrowsAReasonAndTouchesNothing) {
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
      {"key", "a module, an optimizer or a source of random numbers that is gone",
       [](World& w) { w.net.set_random_key(9); }},
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
    const Recording recording = capture([&] { world.step(x); });
    recording.replay();
    EXPECT_TRUE(recording.holds()) << c.name;
    const Tensor old = world.parameter(0).grad();
    c.change(world);
    const std::string before = world.bits_of_all();
    const std::string message = message_of<StateError>([&] { recording.replay(); });
    EXPECT_EQ(message.find("[capture] expected what the step was recorded with, got " + c.reason), 0U)
        << c.name << ": " << message;
    EXPECT_FALSE(recording.holds()) << c.name;
    EXPECT_TRUE(before == world.bits_of_all()) << c.name;
  }
}

TEST(RecordingThatDoesNotHold, KeepsWhatItReadsAndWritesAlive) {
  Tensor a = full({1000}, 1), y = zeros({1000});
  const Recording recording = capture([&] { kernels::copy_(y, a); });
  a = {};
  y = {};
  const Tensor others[] = {zeros({1000}), zeros({1000})};
  EXPECT_THROW(recording.replay(), StateError);
  for (const Tensor& other : others) EXPECT_EQ(sum(other).item<float>(), 0);
}

TEST(RecordingThatDoesNotHold, IsGivenUpWithAllThatItHeld) {
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
