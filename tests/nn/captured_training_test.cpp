// Training by replay: the same bits as training step by step, without an allocation.
#include <algorithm>
#include <map>
#include <vector>

#include "autograd/graph.h"
#include "kernels/capture.h"
#include "kernels/index.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/optim/sgd.h"
#include "nn/state.h"
#include "tensor/allocator.h"
#include "tensor/autograd_slot.h"
#include "tests/nn/allocations.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

/// A net of everything that a step may change besides its weights: running statistics and random numbers.
struct Trainee {
  Sequential net{Conv2d(1, 4, 3), BatchNorm2d(4), ReLU(), MaxPool2d(2), Flatten(), Dropout(0.3), Linear(36, 5)};
  std::unique_ptr<optim::Optimizer> optimizer;
  std::unique_ptr<StateBlock> state;

  explicit Trainee(bool adam) {
    init_parameters(net, 7);
    if (adam)
      optimizer = std::make_unique<optim::AdamW>(net.named_parameters(), optim::AdamWOptions{.lr = 0.01});
    else
      optimizer = std::make_unique<optim::SGD>(net.named_parameters(), optim::SGDOptions{.lr = 0.1, .momentum = 0.9});
    state = std::make_unique<StateBlock>(net, optimizer.get());
    state->counters().random_key = 11;
    net.set_random_source(state->counters_tensor(), optimizer->step_tensor());
  }

  Tensor step(const Tensor& x, const Tensor& y) {
    net.begin_step();
    optimizer->zero_grad();
    const Tensor loss = cross_entropy(net(x), y);
    backward(loss);
    optimizer->step();
    return loss.detach();
  }
};

/// Batch `i`, of 8 rows but for every third one: 5.
std::pair<Tensor, Tensor> batch(int i) {
  const std::int64_t rows = i % 3 == 2 ? 5 : 8;
  PhiloxStream random({.key = static_cast<std::uint64_t>(i)});
  const Tensor x = Tensor::empty({rows, 1, 8, 8}, DType::f32), y = Tensor::empty({rows}, DType::i64);
  for (std::int64_t k = 0; k < x.numel(); ++k) x.data<float>()[k] = random.uniform();
  for (std::int64_t k = 0; k < rows; ++k) y.data<std::int64_t>()[k] = random.below(5);
  return {x, y};
}

// The weight is used twice, so its gradient has two parts.
TEST(CapturedTraining, TellsInAReplayWhichGradientsAreComplete) {
  const Tensor twice = Tensor::empty({4, 4}, DType::f32), last = Tensor::empty({3, 4}, DType::f32);
  const Tensor unused = Tensor::empty({2}, DType::f32);
  const std::vector<Tensor> leaves{twice, last, unused};
  PhiloxStream random({.key = 3});
  for (const Tensor& leaf : leaves) {
    for (std::int64_t k = 0; k < leaf.numel(); ++k) leaf.data<float>()[k] = random.uniform() - 0.5F;
    leaf.set_requires_grad(true);
  }
  optim::SGD optimizer(leaves, optim::SGDOptions{.lr = 0});
  const Tensor x = Tensor::empty({5, 4}, DType::f32);
  for (std::int64_t k = 0; k < x.numel(); ++k) x.data<float>()[k] = random.uniform();
  const Recording recording = capture([&] {
    optimizer.zero_grad();
    backward(sum(square(linear(tanh(linear(linear(x, twice), twice)), last))));
  });
  const auto gradient = [](const Tensor& leaf) {
    const Tensor g = leaf.grad();
    return std::vector<float>(g.data<float>(), g.data<float>() + g.numel());
  };
  for (const float scale : {1.F, 2.F}) {
    for (std::int64_t k = 0; k < x.numel(); ++k) x.data<float>()[k] *= scale;
    std::vector<const void*> told;
    std::map<const void*, std::vector<float>> early;
    ASSERT_TRUE(recording.try_replay([&](const void* id) {
      told.push_back(id);
      const auto leaf = std::ranges::find_if(leaves, [&](const Tensor& l) { return l.id() == id; });
      const Tensor g = leaf->autograd_slot()->gradient.tensor();
      early[id].assign(g.data<float>(), g.data<float>() + g.numel());
    }));
    EXPECT_EQ(told, (std::vector<const void*>{last.id(), twice.id()})) << "the last layer first, each one once";
    EXPECT_EQ(early[last.id()], gradient(last));
    EXPECT_EQ(early[twice.id()], gradient(twice));
  }
}

// A hook of an early layer reads the gradient of a late one, which must not change until then.
TEST(CapturedTraining, TellsNoGradientThatTheWorkStillReads) {
  Sequential net{Linear(4, 4), Tanh(), Linear(4, 3)};
  init_parameters(net, 7);
  const std::vector<NamedTensor> leaves = net.named_parameters();
  optim::SGD optimizer(leaves, optim::SGDOptions{.lr = 0});
  const Tensor late = leaves[2].tensor, x = Tensor::empty({5, 4}, DType::f32);
  kernels::fill_(x, 0.5);
  HookHandle hook = register_hook(leaves[0].tensor, [&](const Tensor& g) { return add(g, sum(late.grad())); });
  const auto told_of = [&] {
    std::vector<const void*> told;
    const Recording recording = capture([&] {
      optimizer.zero_grad();
      backward(sum(square(net(x))));
    });
    EXPECT_TRUE(recording.try_replay([&](const void* leaf) { told.push_back(leaf); }));
    return told;
  };
  EXPECT_THAT(told_of(), ::testing::Not(::testing::Contains(late.id())));
  hook.remove();
  EXPECT_THAT(told_of(), ::testing::Contains(late.id()));
}

TEST(CapturedTraining, GivesTheBitsOfEagerTraining) {
  for (const bool adam : {false, true}) {
    Trainee eager(adam), captured(adam);
    CapturedFunction step([&](std::span<const Tensor> in) { return std::vector{captured.step(in[0], in[1])}; });
    for (int i = 0; i < 12; ++i) {
      const auto [x, y] = batch(i);
      const double lr = 0.01 / (1 + i);
      eager.optimizer->set_lr(lr);
      captured.optimizer->set_lr(lr);
      const Tensor loss = eager.step(x, y);
      ASSERT_EQ(bits(step({x, y})[0]), bits(loss)) << "step " << i;
      ASSERT_EQ(captured.state->digest(), eager.state->digest()) << "step " << i;
    }
    EXPECT_EQ(step.combinations(), 2U);
    EXPECT_EQ(captured.optimizer->step_count(), 12);
  }
}

TEST(CapturedTraining, AllocatesNothingWhenItReplays) {
  Sequential net(Linear(64, 32), BatchNorm1d(32), ReLU(), LayerNorm({32}), Dropout(0.3), GELU(), Linear(32, 5));
  init_parameters(net, 7);
  optim::Adam adam(net.named_parameters(), {.lr = 0.01});
  const StateBlock state(net, &adam);
  net.set_random_source(state.counters_tensor(), adam.step_tensor());
  const auto [images, y] = batch(0);
  const Tensor x = flatten(images, 1);
  const auto step = [&, y = y] {
    net.begin_step();
    adam.zero_grad();
    backward(cross_entropy(net(x), y));
    adam.step();
  };
  const Recording recording = capture(step);
  recording.replay();
  const std::uint64_t before = heap_allocations(), system = memory::system_allocations();
  for (int i = 0; i < 5; ++i) recording.replay();
  EXPECT_EQ(heap_allocations(), before);
  EXPECT_EQ(memory::system_allocations(), system);
  step();
  EXPECT_GT(heap_allocations(), before);  // the counter counts
}

// oneDNN allocates a little of its own in each call, but no tensor is made.
TEST(CapturedTraining, AllocatesNoTensorWhenItReplaysConvolutions) {
  Trainee model(true);
  const auto [x, y] = batch(0);
  const Recording recording = capture([&, x = x, y = y] { model.step(x, y); });
  const std::size_t active = memory::active();
  memory::reset_peak();
  for (int i = 0; i < 5; ++i) recording.replay();
  EXPECT_EQ(memory::peak(), active);
}

// zero_grad() and step() outside of what is captured, in PyTorch's order and the other way round.
TEST(CapturedTraining, MayCaptureForwardAndBackwardAlone) {
  for (const bool zero_first : {true, false}) {
    const auto train = [&](bool captures) {
      Trainee model(true);
      CapturedFunction pass([&](std::span<const Tensor> in) {
        model.net.begin_step();
        const Tensor loss = cross_entropy(model.net(in[0]), in[1]);
        backward(loss);
        return std::vector{loss.detach()};
      });
      std::vector<double> gradients;
      for (int i = 0; i < 8; ++i) {
        const auto [x, y] = batch(i);
        if (zero_first) model.optimizer->zero_grad();
        if (captures) {
          pass({x, y});
        } else {
          model.net.begin_step();
          backward(cross_entropy(model.net(x), y));
        }
        if (i % 2 == 0) continue;  // two batches per update: gradients add up where nobody zeroes them
        gradients.push_back(sum(model.net.parameters()[0].grad()).item<double>());
        model.optimizer->step();
        if (!zero_first) model.optimizer->zero_grad();
      }
      return std::pair(gradients, model.state->digest());
    };
    EXPECT_EQ(train(true), train(false)) << "zero_grad first: " << zero_first;
  }
}

TEST(CapturedTraining, RefusesANewLearningRateInsideTheStep) {
  Trainee model(false);
  EXPECT_THROW(capture([&] { model.optimizer->set_lr(0.5); }), StateError);
}

/// What a step does with the gradients: zeroes them first, takes them away first, or zeroes them last.
enum class Emptied { first, away, last };

/// The bits of training in which one step meets a label out of range, and the update is made all the same.
std::string bits_around_an_error(Emptied emptied, bool captured) {
  Linear net(4, 3);
  init_parameters(net, 7);
  optim::SGD sgd(net.named_parameters(), {.lr = 0.1, .momentum = 0.9});
  const auto step = [&](std::span<const Tensor> in) {
    if (emptied == Emptied::first) sgd.zero_grad();
    for (const Tensor& p : net.parameters()) {
      if (emptied == Emptied::away) p.set_grad({});
    }
    const Tensor loss = cross_entropy(net(in[0]), in[1]);
    backward(loss);
    sgd.step();
    if (emptied == Emptied::last) sgd.zero_grad();
    return std::vector{loss.detach()};
  };
  CapturedFunction recorded(step);
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 4, 3, 2, 1}, {2, 4});
  const auto run = [&](std::int64_t label) {
    const std::vector<Tensor> in{x, Tensor::from<std::int64_t>({0, label}, {2})};
    captured ? recorded(in)[0] : step(in)[0];
  };
  const auto parameters = [&] { return bits(net.weight) + bits(net.bias); };
  for (int i = 0; i < 4; ++i) run(2);
  EXPECT_THROW(run(3), IndexError);
  const std::string before = parameters();
  sgd.step();
  EXPECT_TRUE(parameters() == before) << "an update by gradients from before the error";
  for (int i = 0; i < 3; ++i) run(1);
  std::string all = parameters();
  for (const NamedTensor& entry : sgd.state()) all += bits(entry.tensor);
  return all;
}

TEST(CapturedTraining, LeavesNoOldGradientsBehindAnErrorOfAReplay) {
  for (const Emptied emptied : {Emptied::first, Emptied::away, Emptied::last}) {
    EXPECT_TRUE(bits_around_an_error(emptied, true) == bits_around_an_error(emptied, false))
        << static_cast<int>(emptied);
  }
}

TEST(CapturedTraining, HasZeroGradientsAfterAReplayThatThrowsBehindItsBackwardPass) {
  const Tensor w = Tensor::from<float>({1, 2}, {2}).set_requires_grad();
  optim::SGD sgd(std::vector{w}, {.lr = 1});
  CapturedFunction step([&](std::span<const Tensor> in) {
    sgd.zero_grad();
    backward(sum(w * in[0]));
    const Tensor picked = kernels::index_select(in[0], 0, in[1]);
    sgd.step();
    return std::vector{picked};
  });
  const Tensor x = Tensor::from<float>({1, 1}, {2}), index = Tensor::from<std::int64_t>({0}, {1});
  for (int i = 0; i < 3; ++i) step({x, index});
  const std::uint32_t version = w.version();
  EXPECT_THROW(step({x, Tensor::from<std::int64_t>({2}, {1})}), IndexError);
  EXPECT_NE(w.version(), version);  // nobody knows whether w was written
  sgd.step();
  EXPECT_THAT(values(w), ::testing::ElementsAre(-2, -1));
  EXPECT_THAT(values(w.grad()), ::testing::ElementsAre(0, 0));
  step({x, index});
  EXPECT_THAT(values(w), ::testing::ElementsAre(-3, -2));
}

// The gradient's bytes may hold anything after zero_grad(), but grad() shows zeros.
TEST(ZeroGrad, IsSeenByEveryReaderBeforeTheNextBackward) {
  const Tensor a = Tensor::from<float>({1, 2}, {2}).set_requires_grad(), b = Tensor::from<float>({3}, {1});
  b.set_requires_grad();
  optim::SGD sgd({a, b}, {.lr = 1});
  backward(sum(a * a) + sum(b));
  sgd.zero_grad();
  EXPECT_THAT(values(a.grad()), ::testing::ElementsAre(0, 0));
  backward(sum(a * a) + sum(b));
  sgd.zero_grad();
  backward(sum(a));  // b is not reached: its gradient counts as zero
  sgd.step();
  EXPECT_THAT(values(a), ::testing::ElementsAre(0, 1));
  EXPECT_THAT(values(b), ::testing::ElementsAre(3));
  EXPECT_THAT(values(b.grad()), ::testing::ElementsAre(0));
}

// A weight that is used twice gets the sum, whether or not its first gradient was written in place.
TEST(ZeroGrad, ASharedWeightAddsUpWithinOnePass) {
  const Tensor w = Tensor::from<float>({1, 2, 3, 4}, {2, 2}).set_requires_grad(),
               x = Tensor::from<float>({1, 1}, {1, 2});
  const Tensor once = grad({sum(linear(linear(x, w, {}), w, {}))}, {w})[0];
  optim::SGD sgd(std::vector{w}, {.lr = 1});
  for (int pass = 0; pass < 2; ++pass) {
    sgd.zero_grad();
    backward(sum(linear(linear(x, w, {}), w, {})));
    EXPECT_EQ(values(w.grad()), values(once));
  }
  backward(sum(linear(linear(x, w, {}), w, {})));
  EXPECT_EQ(values(w.grad()), values(once * 2));
}

}  // namespace
}  // namespace hop::nn
