// Backward hooks of modules: what they see, what they replace, and when. Expected gradients are computed by hand.
#include <gmock/gmock.h>

#include "autograd/checkpoint.h"
#include "autograd/graph.h"
#include "kernels/capture.h"
#include "nn/clone.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tensor/allocator.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;

constexpr DType kF64 = DType::f64;

Tensor row(const std::vector<double>& numbers) {
  return Tensor::from<double>(numbers, {static_cast<std::int64_t>(numbers.size())});
}

/// y = 3 x^2.
struct Square : Module {
  Tensor forward(const Tensor& x) override { return x * x * 3; }
  std::string type_name() const override { return "Square"; }
};

struct Seen {
  std::vector<double> input, output;
  std::string name;
  int calls = 0;
};

BackwardHook note_in(Seen& seen) {
  return [&seen](Module& module, const Tensor& grad_input, const Tensor& grad_output) {
    seen.input = grad_input.defined() ? values(grad_input) : std::vector<double>{};
    seen.output = values(grad_output);
    seen.name = module.type_name();
    ++seen.calls;
    return Tensor();
  };
}

TEST(BackwardHook, SeesTheGradientsOfInputAndOutputUntilRemoved) {
  Square square;
  Seen seen;
  const auto hook = square.register_full_backward_hook(note_in(seen));
  EXPECT_TRUE(square.has_hooks());
  const Tensor x = row({1, 2}).set_requires_grad();
  const Tensor y = square(x);
  EXPECT_THAT(values(y), ElementsAre(3, 12));
  backward(sum(y * row({10, 100})));
  EXPECT_THAT(seen.output, ElementsAre(10, 100));
  EXPECT_THAT(seen.input, ElementsAre(60, 1200));
  EXPECT_EQ(seen.name, "Square");
  EXPECT_THAT(values(x.grad()), ElementsAre(60, 1200));
  square.remove_hook(hook);
  backward(sum(square(x)));
  EXPECT_EQ(seen.calls, 1);
}

TEST(BackwardHook, ReplacesTheGradientThatFlowsOn) {
  Square square;
  square.register_full_backward_hook(
      [](Module&, const Tensor& grad_input, const Tensor& grad_output) { return grad_input + grad_output; });
  square.register_full_backward_hook([](Module&, const Tensor& grad_input, const Tensor&) { return grad_input * 2; });
  const Tensor x = row({1, 2}).set_requires_grad();
  backward(sum(square(x * 1)));
  EXPECT_THAT(values(x.grad()), ElementsAre(14, 26));  // (6 x + 1) * 2
}

TEST(BackwardHook, OfTheOutputComesFirstAndReplacesWhatGoesIn) {
  Square square;
  Seen seen;
  square.register_full_backward_hook(note_in(seen));
  square.register_full_backward_pre_hook([&](Module&, const Tensor& grad_output) {
    EXPECT_EQ(seen.calls, 0);
    return grad_output * 5;
  });
  const Tensor x = row({1, 2}).set_requires_grad();
  backward(sum(square(x)));
  EXPECT_THAT(seen.output, ElementsAre(5, 5));
  EXPECT_THAT(values(x.grad()), ElementsAre(30, 60));
}

TEST(BackwardHook, HasNoGradientOfAnInputThatWantsNone) {
  Linear fc(2, 1, {.dtype = DType::f64});
  copy_(fc.weight.detach(), kernels::full({1, 2}, 4));
  copy_(fc.bias.detach(), kernels::zeros({1}));
  Seen seen;
  fc.register_full_backward_hook(note_in(seen));
  backward(sum(fc(reshape(row({1, 2}), {1, 2})) * 7));
  EXPECT_EQ(seen.calls, 1);
  EXPECT_THAT(seen.input, ElementsAre());
  EXPECT_THAT(seen.output, ElementsAre(7));
  EXPECT_THAT(values(fc.weight.grad()), ElementsAre(7, 14));
}

TEST(BackwardHook, RunsOncePerCallWhenAllUsesOfTheInputAreCounted) {
  struct Twice : Module {
    Tensor forward(const Tensor& x) override { return x * 2 + x * 3; }
  } twice;
  Seen seen;
  twice.register_full_backward_hook(note_in(seen));
  const Tensor x = row({1}).set_requires_grad();
  backward(sum(twice(twice(x))));
  EXPECT_EQ(seen.calls, 2);
  EXPECT_THAT(seen.input, ElementsAre(25));
  EXPECT_THAT(values(x.grad()), ElementsAre(25));
}

TEST(BackwardHook, LivesOnInTheGraphOfAModuleThatIsGone) {
  Seen seen;
  const Tensor x = row({2}).set_requires_grad();
  Tensor y;
  {
    Square square;
    square.register_full_backward_hook(note_in(seen));
    y = square(x);
  }
  backward(sum(y));
  EXPECT_EQ(seen.name, "Square");
  EXPECT_THAT(seen.input, ElementsAre(12));
}

TEST(BackwardHook, GivesItsModulesParameters) {
  Linear fc(2, 1, {.dtype = DType::f64});
  copy_(fc.weight.detach(), kernels::full({1, 2}, 4));
  copy_(fc.bias.detach(), kernels::zeros({1}));
  std::vector<std::string> names;
  fc.register_full_backward_hook([&](Module& module, const Tensor&, const Tensor&) {
    for (const NamedTensor& p : module.named_parameters()) names.push_back(p.name);
    EXPECT_THROW(module(row({1, 2})), Error);
    return Tensor();
  });
  backward(sum(fc(reshape(row({1, 2}), {1, 2}))));
  EXPECT_THAT(names, ElementsAre("weight", "bias"));
}

TEST(BackwardHook, KeepsASequentialFromFusing) {
  Sequential net(Linear(1, 1, {.dtype = DType::f64}), ReLU());
  copy_(net.named_parameters()[0].tensor.detach(), kernels::full({1, 1}, 3));
  copy_(net.named_parameters()[1].tensor.detach(), kernels::zeros({1}));
  Seen seen;
  net.named_children()[1].module->register_full_backward_hook(note_in(seen));
  backward(sum(net(reshape(row({2}), {1, 1}))));
  EXPECT_EQ(seen.name, "ReLU");
  EXPECT_THAT(seen.input, ElementsAre(1));
}

TEST(BackwardHook, SeesNoGradientOfASecondDerivativeThatPassesNoOutput) {
  Square square;
  square.register_full_backward_hook([](Module&, const Tensor& grad_input, const Tensor&) { return grad_input * 2; });
  const Tensor x = row({5}).set_requires_grad();
  const Tensor slope = grad({sum(square(x))}, {x}, {.create_graph = true})[0];
  EXPECT_THAT(values(slope), ElementsAre(60));
  EXPECT_THAT(values(grad({sum(slope)}, {x})[0]), ElementsAre(12));
}

TEST(BackwardHook, RunsWithinACheckpoint) {
  Square square;
  Seen seen;
  square.register_full_backward_hook(note_in(seen));
  const Tensor x = row({5}).set_requires_grad();
  backward(sum(checkpoint([&](const Tensor& a) { return square(a); }, x)));
  EXPECT_EQ(seen.calls, 1);
  EXPECT_THAT(values(x.grad()), ElementsAre(30));
}

TEST(BackwardHook, IsAPartOfACapturedStepAndOfItsConditions) {
  Square square;
  int calls = 0;
  square.register_full_backward_hook([&](Module&, const Tensor& grad_input, const Tensor&) {
    ++calls;
    return grad_input * 2;
  });
  const Tensor x = row({5}).set_requires_grad();
  CapturedFunction step([&](std::span<const Tensor> scale) {
    x.zero_grad();
    const Tensor loss = sum(square(x) * scale[0]);
    backward(loss);
    return std::vector{loss};
  });
  for (const double scale : {1.0, 2.0, 3.0, 4.0}) {
    step({row({scale})});
    EXPECT_THAT(values(x.grad()), ElementsAre(60 * scale));
  }
  const int before = calls;
  EXPECT_LT(before, 4) << "replays run no host code";
  square.register_full_backward_pre_hook([](Module&, const Tensor& grad_output) { return grad_output * 10; });
  step({row({1})});
  EXPECT_THAT(values(x.grad()), ElementsAre(600));
  EXPECT_EQ(calls, before + 1);
}

TEST(BackwardHook, IsClonedWithItsModule) {
  Square square;
  Seen seen;
  square.register_full_backward_hook(note_in(seen));
  Square copy = clone(square);
  backward(sum(copy(row({1}).set_requires_grad())));
  EXPECT_EQ(seen.calls, 1);
}

TEST(BackwardHook, SeesTheRowsOfLayersThatTakeAState) {
  GRU gru(2, 3);
  init_parameters(gru, 1);
  Shape input, output;
  gru.register_full_backward_hook([&](Module&, const Tensor& grad_input, const Tensor& grad_output) {
    input = grad_input.shape();
    output = grad_output.shape();
    return Tensor();
  });
  backward(sum(gru(kernels::ones({4, 1, 2}).set_requires_grad(), Tensor()).output));
  EXPECT_EQ(input, (Shape{4, 1, 2}));
  EXPECT_EQ(output, (Shape{4, 1, 3}));
}

TEST(BackwardHook, OfAnotherShapeIsRefused) {
  Square square;
  const auto hook = square.register_full_backward_hook([](Module&, const Tensor&, const Tensor&) {
    return row({1, 2, 3});
  });
  const Tensor x = row({1, 2}).set_requires_grad();
  EXPECT_EQ(message_of<AutogradError>([&] { backward(sum(square(x))); }),
            "[Square] expected a backward hook to return a gradient like " + x.detach().describe() + ", got " +
                row({1, 2, 3}).describe());
  square.remove_hook(hook);
  Linear fc(2, 1, {.dtype = DType::f64});
  init_parameters(fc, 1);
  fc.register_full_backward_hook([](Module&, const Tensor&, const Tensor& grad_output) { return grad_output; });
  EXPECT_EQ(message_of<AutogradError>([&] {
              backward(sum(fc(ones({1, 2}, kF64))));
            }),
            "[Linear] expected a backward hook to return nothing for an input without one, got " +
                ones({1, 1}, kF64).describe());
}

// A pass that never reaches the input leaves nothing behind: no cycle in the graph, and no gradient for a later pass.
TEST(BackwardHook, LeavesNothingBehindAPassThatEndsBeforeTheInput) {
  Linear fc(2, 2, {.dtype = kF64});
  init_parameters(fc, 1);
  Seen seen;
  fc.register_full_backward_hook(note_in(seen));
  const Tensor x = ones({1, 2}, kF64).set_requires_grad();
  const auto once = [&] {
    const Tensor y = fc(x);
    return grad({sum(y * y)}, {fc.weight}, {.create_graph = true})[0];
  };
  once();
  const std::size_t before = memory::active();
  for (int i = 0; i < 10; ++i) once();
  EXPECT_EQ(memory::active(), before);
  EXPECT_EQ(seen.calls, 0);
  const Tensor slope = grad({sum(fc(x))}, {fc.weight}, {.create_graph = true})[0];
  grad({sum(slope)}, {x});  // reaches the input, which the slope reads, without passing the output
  EXPECT_EQ(seen.calls, 0);
}

TEST(BackwardHook, RunsInEachPassThroughAGraphThatStays) {
  Square square;
  Seen seen;
  square.register_full_backward_hook(note_in(seen));
  const Tensor x = row({1, 2}).set_requires_grad(), y = square(x);
  backward(sum(y), {.retain_graph = true});
  backward(sum(y * 2));
  EXPECT_EQ(seen.calls, 2);
  EXPECT_THAT(seen.output, ElementsAre(2, 2));
}

TEST(BackwardHook, BelongsToTheModuleThatReplacedAnother) {
  struct Net : Module {
    Square square = register_module("square", Square());
    Tensor forward(const Tensor& x) override { return square(x); }
  } net;
  Seen seen;
  struct Cube : Module {
    Tensor forward(const Tensor& x) override { return x * x * x; }
    std::string type_name() const override { return "Cube"; }
  };
  net.replace_module("square", Cube()).register_full_backward_hook(note_in(seen));
  backward(sum(net(row({2}).set_requires_grad())));
  EXPECT_EQ(seen.name, "Cube");
  EXPECT_THAT(seen.input, ElementsAre(12));
}

// The second run of a checkpoint runs what the first run ran.
TEST(Hooks, OfACheckpointAreThoseOfItsFirstRun) {
  for (const bool registered_late : {true, false}) {
    Sequential net(Linear(2, 2, {.dtype = kF64}), ReLU(), Dropout(0.5));
    init_parameters(net, 1);
    net.set_random_key(1);
    int calls = 0;
    Module& relu = *net.named_children()[1].module;
    const auto add = [&] {
      return relu.register_forward_hook([&calls](Module&, const Tensor&, const Tensor& y) {
        ++calls;
        return y * 3;
      });
    };
    const std::uint64_t hook = registered_late ? 0 : add();
    const Tensor x = ones({4, 2}, kF64).set_requires_grad();
    const Tensor y = checkpoint([&](const Tensor& a) { return net(a); }, x);
    registered_late ? static_cast<void>(add()) : relu.remove_hook(hook);
    backward(sum(y));
    EXPECT_EQ(calls, registered_late ? 0 : 2);
    const Tensor expected = x.grad();
    x.zero_grad();
    Sequential same(Linear(2, 2, {.dtype = kF64}), ReLU(), Dropout(0.5));
    same.load_state_dict(net.state_dict());
    same.set_random_key(1);
    backward(sum(same(x)) * (registered_late ? 1 : 3));
    EXPECT_EQ(bits(expected), bits(x.grad()));
  }
}

TEST(Hooks, ThatRemoveThemselvesHideNoOther) {
  ReLU relu;
  int calls = 0;
  std::uint64_t once = 0;
  once = relu.register_forward_hook([&](Module& module, const Tensor&, const Tensor&) {
    module.remove_hook(once);
    return Tensor();
  });
  relu.register_forward_hook([&](Module&, const Tensor&, const Tensor&) {
    ++calls;
    return Tensor();
  });
  relu(row({1}));
  EXPECT_EQ(calls, 1);
}

TEST(BackwardHook, IsNotForgottenByACallThatCannotRunIt) {
  struct Old : Module {
    Tensor operator()(const Tensor& x, int n) { return with_hooks(x, x * n); }
  } old;
  old.register_full_backward_hook([](Module&, const Tensor&, const Tensor&) { return Tensor(); });
  EXPECT_EQ(message_of<StateError>([&] { old(row({2}), 3); }),
            "[Old] expected a call that runs all hooks (with_hooks(x, f), where f computes the output), got "
            "with_hooks(x, y)");
}

}  // namespace
}  // namespace hop::nn
