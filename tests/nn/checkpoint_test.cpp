// Modules in a checkpoint: run twice, they draw once and count once.
#include "autograd/checkpoint.h"

#include "autograd/graph.h"
#include "autograd/inplace.h"
#include "kernels/capture.h"
#include "kernels/view.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

Tensor scores(std::int64_t rows, std::int64_t columns) {
  const Tensor x = Tensor::empty({rows, columns}, DType::f32);
  PhiloxStream random({.key = 5});
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = random.uniform() - 0.5F;
  return x;
}

TEST(CheckpointOfModules, KeepsTheMaskOfDropout) {
  Dropout d(0.5);
  d.set_random_key(1);
  const Tensor x = ones({10}, {.requires_grad = true});
  const Tensor y = checkpoint([&](const Tensor& a) { return d(a); }, x);
  backward(sum(y));
  EXPECT_EQ(bits(x.grad()), bits(y));
}

/// Two modules with a source each, one of which counts in a buffer of its own.
struct Twofold {
  struct Counting : Module {
    Tensor calls = register_buffer("calls", kernels::zeros({2}, DType::f32));
    Dropout drop = register_module("drop", Dropout(0.25));
    Tensor forward(const Tensor& x) override {
      const Tensor scale = calls.detach() * 0.5 + 1;  // of the calls before
      {
        const NoGradGuard no_grad;
        add_(calls.as_strided({1}, {1}, 1), 1);  // a part of the buffer
        if (is_training()) add_(calls, 2);
      }
      return drop(drop(x)) * sum(scale) + sum(calls.detach());
    }
  };
  Sequential first{Linear(6, 6), BatchNorm1d(6), Dropout(0.5), ReLU()};
  Counting second;
  Tensor key = Tensor::from<std::int64_t>({3}, {1}), step = Tensor::from<std::int64_t>({8}, {1});

  explicit Twofold(bool source) {
    init_parameters(first, 7);
    second.set_random_key(4);
    source ? first.set_random_source(key, step) : first.set_random_key(2);
  }
  Tensor body(const Tensor& x) { return second(first(x)) + first(x * 2); }
};

enum class Way { plain, checkpointed, nested };

std::string train(Way way, bool source, bool captured, const std::function<void(Twofold&)>& in_between) {
  Twofold net(source);
  const auto run = [&](const Tensor& x) {
    const auto body = [&net](const Tensor& t) { return net.body(t); };
    if (way == Way::plain) return body(body(x));
    const auto once = [body](const Tensor& t) { return checkpoint(body, t); };
    if (way == Way::checkpointed) return once(once(x));
    return checkpoint([once](const Tensor& t) { return once(once(t)); }, x);
  };
  const Tensor batch = scores(4, 6);
  const auto step = [&](std::span<const Tensor> in) {
    net.first.begin_step();
    net.second.begin_step();
    const Tensor x = in[0].detach().set_requires_grad();
    net.first.zero_grad();
    const Tensor y = run(x);
    in_between(net);
    backward(sum(square(y)));
    return std::vector{y.detach(), x.grad()};
  };
  CapturedFunction captured_step(step);
  std::string all;
  const auto add = [&](const Tensor& t) { all += bits(t); };
  for (int i = 0; i < 4; ++i) {
    const std::vector<Tensor> results = captured ? captured_step({batch}) : step(std::vector{batch});
    for (const Tensor& t : results) add(t);
    for (const Tensor& p : net.first.parameters()) add(p.grad());
    for (const NamedTensor& b : net.first.named_buffers()) add(b.tensor);
    add(net.second.calls);
  }
  return all;
}

TEST(CheckpointOfModules, GivesTheBitsOfThePlainRun) {
  for (const bool source : {false, true}) {
    const auto plain = train(Way::plain, source, false, [](Twofold&) {});
    for (const Way way : {Way::plain, Way::checkpointed, Way::nested}) {
      for (const bool captured : {false, true}) {
        EXPECT_EQ(train(way, source, captured, [](Twofold&) {}), plain)
            << "way " << static_cast<int>(way) << ", source " << source << ", captured " << captured;
      }
    }
  }
}

// Between the runs the host may do what it likes.
TEST(CheckpointOfModules, DoesNotNoticeWhatHappensBetweenItsRuns) {
  const auto disturb = [](Twofold& net) {
    const NoGradGuard no_grad;
    net.second(ones({2, 6}));
    net.first.eval();
    net.first(ones({2, 6}));
    net.second.eval();
  };
  const auto go_on = [&](Way way) {
    return train(way, false, false, [&](Twofold& net) {
      disturb(net);
      net.first.train();
      net.second.train();
      net.second.set_step(9);
    });
  };
  EXPECT_EQ(go_on(Way::checkpointed), go_on(Way::plain));
  EXPECT_EQ(go_on(Way::nested), go_on(Way::plain));
  Twofold plain(false), rerun(false);
  const Tensor x = scores(4, 6).set_requires_grad(), z = scores(4, 6).set_requires_grad();
  const Tensor y = plain.body(x), w = checkpoint([&](const Tensor&t) { return rerun.body(t); }, z);
  disturb(plain);
  disturb(rerun);  // leaves both in evaluation
  backward(sum(square(y)));
  backward(sum(square(w)));
  EXPECT_EQ(bits(x.grad()), bits(z.grad()));
}

TEST(CheckpointOfModules, MovesStatisticsOnce) {
  BatchNorm1d norm(1);
  init_parameters(norm, 1);
  const Tensor x = Tensor::from<float>({1, 3}, {2, 1}).set_requires_grad();
  const Tensor y = checkpoint([&](const Tensor& t) { return norm(t); }, x);
  backward(sum(square(y)), {.retain_graph = true});
  backward(sum(square(y)));
  EXPECT_EQ(norm.num_batches_tracked.item<std::int64_t>(), 1);
  EXPECT_FLOAT_EQ(norm.running_mean.item<float>(), 0.2F);
}

TEST(CheckpointOfModules, MovesStatisticsOnceWhenTheSecondRunThrows) {
  BatchNorm1d norm(1);
  init_parameters(norm, 1);
  int runs = 0;
  const Tensor x = Tensor::from<float>({1, 3}, {2, 1}).set_requires_grad();
  const Tensor y = checkpoint(
      [&](const Tensor& t) {
        const Tensor z = norm(t);
        if (++runs == 2) throw StateError("the second run");
        return z;
      },
      x);
  EXPECT_THROW(backward(sum(y)), StateError);
  EXPECT_EQ(norm.num_batches_tracked.item<std::int64_t>(), 1);
  EXPECT_FLOAT_EQ(norm.running_mean.item<float>(), 0.2F);
}

TEST(CheckpointOfModules, RefusesAFunctionThatDrawsMoreInItsSecondRun) {
  Dropout d(0.5);
  d.set_random_key(1);
  int runs = 0;
  const Tensor x = ones({10}, {.requires_grad = true});
  const Tensor y = checkpoint([&](const Tensor& t) { return ++runs == 1 ? d(t) : d(d(t)); }, x);
  EXPECT_EQ(
      message_of<AutogradError>([&] { backward(sum(y)); }),
      "[checkpoint] expected a function that does the same each time, got one that draws more random numbers in its "
      "second run (1 draws in the first)");
}

}  // namespace
}  // namespace hop::nn
