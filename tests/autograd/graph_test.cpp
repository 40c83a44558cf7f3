// The walk over the graph: the order of its sums, the parts that it frees, and the calls that it refuses. Long because
// each kind of graph is walked once.
#include "autograd/graph.h"

#include <atomic>
#include <thread>

#include "autograd/function.h"
#include "autograd/matmul.h"
#include "kernels/capture.h"
#include "kernels/elementwise.h"
#include "tensor/allocator.h"
#include "tensor/autograd_slot.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

using Values = std::vector<double>;

TEST(Backward, SumsOverBothSidesOfADiamond) {
  const Tensor x = scalar(3);
  const Tensor y = x * x;
  backward(y * exp(x) + y);  // x^2 e^x + x^2
  EXPECT_NEAR(x.grad().item<double>(), (9 + 6) * std::exp(3.0) + 6, 1e-9);
}

TEST(Backward, WalksADeepChainOfDiamondsOncePerNode) {
  const Tensor x = scalar(1);
  Tensor y = x;
  for (int i = 0; i < 60; ++i) y = y + y;
  backward(y);
  EXPECT_EQ(x.grad().item<double>(), std::ldexp(1.0, 60));
}

TEST(Backward, AddsUpOverUsesOfALeafAndOverPasses) {
  const Tensor x = leaf({1, 2}, {2});
  backward(sum(x * 3) + sum(x * 4));
  EXPECT_EQ(values(x.grad()), (Values{7, 7}));
  backward(sum(x));
  EXPECT_EQ(values(x.grad()), (Values{8, 8}));
}

TEST(Backward, OfALeafItselfIsOne) {
  const Tensor x = scalar(5);
  backward(x);
  EXPECT_EQ(x.grad().item<double>(), 1);
}

TEST(Backward, StartsFromAGivenGradient) {
  const Tensor x = leaf({1, 2}, {2});
  const Tensor g = f64({10, 100}, {2});
  backward(x * x, {.gradient = g});
  EXPECT_EQ(values(x.grad()), (Values{20, 400}));
  EXPECT_EQ(values(g), (Values{10, 100}));
}

// Judged by the number of calls in a recording: the product, and one product per gradient. A gradient that is copied to
// its place takes one call more.
TEST(Backward, MultipliesMatricesIntoTheGradientsOfTheirLeaves) {
  const Tensor a = leaf({1, 2, 3, 4}, {2, 2}), b = leaf({5, 6, 7, 8}, {2, 2});
  const auto step = [&] {
    a.zero_grad();
    b.zero_grad();
    backward(matmul(a, b), {.gradient = a.detach()});
  };
  backward(matmul(a, b), {.gradient = a.detach()});  // makes the gradients
  const Values of_a = values(a.grad()), of_b = values(b.grad());
  const Recording recording = capture(step);
  EXPECT_EQ(recording.size(), 3U);
  EXPECT_EQ(values(a.grad()), of_a);
  EXPECT_EQ(values(b.grad()), of_b);
}

TEST(Backward, WritesIntoTheMemoryThatALeafsGradientHasAlready) {
  const Tensor block = kernels::zeros({5}, DType::f64);
  const Tensor x = leaf({1, 2, 3}, {3});
  const Tensor bound = slice(block, 0, 1, 4);
  x.set_grad(bound);
  backward(sum(x * x));
  EXPECT_TRUE(x.grad().is_same(bound));
  EXPECT_EQ(values(block), (Values{0, 2, 4, 6, 0}));
  zero_(block);
  backward(sum(x));
  EXPECT_EQ(values(block), (Values{0, 1, 1, 1, 0}));
}

// Hands its gradient on and remembers where it lay.
struct Watched : Function<Watched> {
  static inline const std::byte* address = nullptr;
  static Tensor forward(Context&, const Tensor& x) { return x * 2; }
  static Tensor backward(Context&, const Tensor& g) {
    Tensor dx = g * 2;
    address = dx.raw_data();
    return dx;
  }
};

TEST(Backward, TakesTheFirstGradientOverWithoutACopy) {
  const Tensor x = leaf({1, 2, 3}, {3});
  backward(sum(Watched::apply(x)));
  EXPECT_EQ(x.grad().raw_data(), Watched::address);
}

TEST(Backward, TakesAGradientOverThatWasHandedThrough) {
  const Tensor x = leaf({1, 2, 3}, {3});
  backward(sum(Watched::apply(clone(x))));
  EXPECT_EQ(x.grad().raw_data(), Watched::address);
}

TEST(Backward, GivesEveryLeafAGradientOfItsOwn) {
  const Tensor a = leaf({1, 2}, {2}), b = leaf({3, 4}, {2});
  const Tensor g = f64({5, 6}, {2});
  backward(a + b, {.gradient = g});
  EXPECT_NE(a.grad().raw_data(), b.grad().raw_data());
  EXPECT_NE(a.grad().raw_data(), g.raw_data());
  add_(a.grad(), 1);
  EXPECT_EQ(values(b.grad()), (Values{5, 6}));
  EXPECT_EQ(values(g), (Values{5, 6}));
}

TEST(Backward, MakesGradientsContiguousAndFull) {
  const Tensor x = random_leaf({3, 4}, 1, Layout::transposed);
  backward(sum(x));
  EXPECT_TRUE(x.grad().is_contiguous());
  EXPECT_EQ(values(x.grad()), Values(12, 1.0));
}

TEST(Backward, GivesTheSameBitsEveryTime) {
  const Tensor x = random_leaf({7, 5}, 1), w = random_leaf({5, 5}, 2);
  const auto gradient = [&] {
    Tensor y = x;
    for (int i = 0; i < 4; ++i) y = tanh(matmul(y, w) + y);
    return grad({sum(y * y)}, {w})[0];
  };
  EXPECT_TRUE(same_bits(gradient(), gradient()));
}

TEST(Backward, FreesTheGraphUnlessAskedToRetainIt) {
  const Tensor x = scalar(2);
  const Tensor y = x * x;
  backward(y, {.retain_graph = true});
  backward(y);
  EXPECT_EQ(x.grad().item<double>(), 8);
  EXPECT_TRUE(
      throws<AutogradError>([&] { backward(y); }, "[backward] the graph was freed by an earlier pass (reached mul)"));
}

TEST(Backward, FindsATrunkThatAnotherLossHasFreed) {
  const Tensor x = scalar(2);
  const Tensor trunk = x * x;
  const Tensor first = trunk * 2, second = trunk * 3;
  backward(first);
  EXPECT_THROW(backward(second), AutogradError);
}

TEST(Backward, GivesMemoryBackAsItGoes) {
  const Tensor x = random_leaf({64}, 1);
  x.set_grad(zeros_like(x));
  const std::size_t before = memory::active();
  Tensor y = x;
  for (int i = 0; i < 10; ++i) y = tanh(y);
  const Tensor loss = sum(y);
  EXPECT_GE(memory::active(), before + 10 * 64 * sizeof(double));
  y = Tensor();
  backward(loss);
  EXPECT_LE(memory::active(), before + 64);
}

TEST(Graph, IsFreedWithItsLastTensorEvenWhenANodeSavedItsOwnOutput) {
  const Tensor x = scalar(2);
  Tensor y = exp(x);
  const std::weak_ptr<Node> node = y.autograd_slot()->grad_fn;
  y = Tensor();
  EXPECT_TRUE(node.expired());
}

TEST(Backward, RefusesATensorWithoutAGraph) {
  EXPECT_TRUE(
      throws<AutogradError>([] { backward(f64({1}, {})); }, "[backward] expected a tensor that was computed from one"));
  EXPECT_THROW(backward(Tensor()), AutogradError);
}

TEST(Backward, NeedsAGradientForMoreThanOneElement) {
  const Tensor x = leaf({1, 2}, {2});
  EXPECT_TRUE(throws<ShapeError>([&] { backward(x * x); }, "[backward] expected one element"));
  EXPECT_TRUE(throws<ShapeError>([&] { backward(x * x, {.gradient = f64({1}, {1})}); },
                                 "[backward] expected a gradient like f64 (2) on cpu, got f64 (1) on cpu"));
}

TEST(Backward, NoticesAWriteInPlaceToASavedOutput) {
  const Tensor x = leaf({1, 2}, {2});
  const Tensor y = exp(x);
  {
    const NoGradGuard no_grad;
    add_(y, 1);
  }
  EXPECT_TRUE(
      throws<AutogradError>([&] { backward(sum(y)); }, "[exp] a tensor that its gradient needs was written in place"));
}

TEST(Backward, NoticesAWriteInPlaceToASavedInputThroughAView) {
  const Tensor x = leaf({1, 2}, {2});
  const Tensor factor = f64({3, 4}, {2});
  const Tensor y = x * factor;
  fill_(slice(factor, 0, 0, 1), 9);
  EXPECT_TRUE(
      throws<AutogradError>([&] { backward(sum(y)); }, "[mul] a tensor that its gradient needs was written in place"));
}

// As in PyTorch: what counts is whether the leaf requires a gradient when the gradient arrives.
TEST(Backward, GivesNothingToALeafThatWasFrozenAfterTheForwardPass) {
  const Tensor x = leaf({1, 2}, {1, 2}), w = leaf({3, 4}, {2, 1});
  w.set_grad(f64({5, 5}, {2, 1}));
  w.zero_grad();  // matmul could write its gradient there
  const Tensor y = sum(matmul(x, w)), again = sum(matmul(x, w) * x);
  w.set_requires_grad(false);
  backward(y);
  backward(again);
  EXPECT_EQ(values(w.grad()), (Values{0, 0}));
  EXPECT_EQ(values(x.grad()), (Values{23, 27}));
  EXPECT_TRUE(throws<AutogradError>([&] { grad({sum(matmul(x, w))}, {w}); }, "has no part"));
}

TEST(Backward, AllowsWritesToWhatNoGradientReads) {
  const Tensor x = leaf({1, 2}, {2});
  const Tensor offset = f64({3, 4}, {2});
  const Tensor y = x + offset;
  fill_(offset, 9);
  backward(sum(y));
  EXPECT_EQ(values(x.grad()), (Values{1, 1}));
}

TEST(Grad, TouchesNoGradField) {
  const Tensor x = scalar(3), w = scalar(4);
  EXPECT_EQ(grad({x * w}, {x})[0].item<double>(), 4);
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(w.grad().defined());
}

TEST(Grad, IsTakenWithRespectToLeavesAndComputedTensorsAlike) {
  const Tensor x = scalar(3);
  const Tensor y = x * x;
  const Tensor z = y * y;
  const auto g = grad({z}, {y, x, z, y});
  EXPECT_EQ(g[0].item<double>(), 18);
  EXPECT_EQ(g[1].item<double>(), 108);
  EXPECT_EQ(g[2].item<double>(), 1);
  EXPECT_EQ(g[3].item<double>(), 18);
}

TEST(Grad, SumsOverOutputs) {
  const Tensor x = scalar(3);
  EXPECT_EQ(grad({x * x, x * 5}, {x}, {.grad_outputs = {f64({2}, {}), f64({10}, {})}})[0].item<double>(), 62);
}

// Counts how often its gradient is computed.
struct Counted : Function<Counted> {
  static inline int passes = 0;
  static Tensor forward(Context&, const Tensor& x) { return x * 1; }
  static Tensor backward(Context&, const Tensor& g) {
    ++passes;
    return g * 1;
  }
};

TEST(Grad, ComputesOnlyWhatLeadsToItsInputs) {
  const Tensor x = scalar(3), w = scalar(4);
  Counted::passes = 0;
  const Tensor y = x * Counted::apply(w);
  EXPECT_EQ(grad({y}, {x}, {.retain_graph = true})[0].item<double>(), 4);
  EXPECT_EQ(Counted::passes, 0);
  EXPECT_EQ(grad({y}, {w})[0].item<double>(), 3);
  EXPECT_EQ(Counted::passes, 1);
}

TEST(Grad, RefusesAnUnusedInputUnlessAllowed) {
  const Tensor x = scalar(3), other = scalar(4);
  EXPECT_TRUE(throws<AutogradError>([&] { grad({x * x}, {x, other}); }, "[grad] input 1 (f64 () on cpu) has no part"));
  const auto g = grad({x * x}, {x, other}, {.allow_unused = true});
  EXPECT_EQ(g[0].item<double>(), 6);
  EXPECT_FALSE(g[1].defined());
}

TEST(Grad, IsDifferentiableUnderCreateGraph) {
  const Tensor x = scalar(2);
  Tensor y = x * x * x * x;
  for (const double expected : {32.0, 48.0, 48.0, 24.0}) {
    y = grad({y}, {x}, {.create_graph = true})[0];
    EXPECT_NEAR(y.item<double>(), expected, 1e-12);
  }
}

TEST(Grad, IsNotRecordedOtherwise) {
  const Tensor x = scalar(2);
  EXPECT_FALSE(grad({x * x}, {x})[0].requires_grad());
}

TEST(Backward, LeavesADifferentiableGradientUnderCreateGraph) {
  const Tensor x = scalar(2);
  backward(x * x * x, {.create_graph = true});
  const Tensor first = x.grad();
  EXPECT_TRUE(first.requires_grad());
  EXPECT_EQ(grad({first}, {x})[0].item<double>(), 12);
  x.set_grad(Tensor());  // x holds its gradient, whose graph holds x
}

TEST(GradMode, NothingIsRecordedUnderNoGradGuard) {
  const Tensor x = scalar(2);
  {
    const NoGradGuard no_grad;
    EXPECT_FALSE((x * x).requires_grad());
    {
      const EnableGradGuard enabled;
      EXPECT_TRUE((x * x).requires_grad());
    }
    EXPECT_FALSE(is_grad_enabled());
  }
  EXPECT_TRUE((x * x).requires_grad());
}

TEST(GradMode, BelongsToTheThread) {
  const NoGradGuard no_grad;
  bool enabled = false;
  std::thread([&] { enabled = is_grad_enabled(); }).join();
  EXPECT_TRUE(enabled);
}

TEST(RequiresGrad, IsRefusedToIntegers) {
  const Tensor n = Tensor::from<std::int64_t>({1, 2}, {2});
  EXPECT_TRUE(
      throws<DtypeError>([&] { n.set_requires_grad(); }, "[requires_grad] only floating tensors have gradients"));
}

TEST(RequiresGrad, SpreadsToWhatIsComputedAndNotToDetached) {
  const Tensor x = scalar(2);
  const Tensor y = x * 2;
  EXPECT_TRUE(y.requires_grad());
  EXPECT_FALSE(y.is_leaf());
  EXPECT_FALSE(y.detach().requires_grad());
  EXPECT_FALSE((y.detach() * 2).requires_grad());
}

TEST(Threads, MayBuildOnEachOthersGraphs) {
  const Tensor x = scalar(2);
  const Tensor early = x * 1;  // this thread's numbers start before the other thread's
  Tensor y;
  std::thread([&] { y = x * x; }).join();
  const Tensor z = exp(y) * early;
  backward(z + y * z);  // (1 + y) x e^y with y = x^2
  const double e = std::exp(4.0);
  EXPECT_NEAR(x.grad().item<double>(), 4 * 2 * e + 5 * (e + 2 * 4 * e), 1e-8);
}

TEST(Threads, MayWalkGraphsThatShareNodes) {
  const Tensor x = random_leaf({5}, 1), w = random_leaf({5}, 2);
  const Tensor trunk = tanh(x * w);
  const Tensor expected = grad({sum(trunk * 0)}, {x}, {.retain_graph = true})[0];
  std::atomic<int> correct = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        const Tensor g = grad({sum(trunk * 0)}, {x}, {.retain_graph = true})[0];
        correct += same_bits(g, expected) ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(correct, 200);
}

}  // namespace
}  // namespace hop::autograd
