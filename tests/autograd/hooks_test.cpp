// Hooks see and change gradients on their way.
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

using Values = std::vector<double>;

TEST(Hook, OnALeafSeesTheWholeGradientOnce) {
  const Tensor x = leaf({1, 2}, {2});
  std::vector<Values> seen;
  register_hook(x, [&](const Tensor& g) {
    seen.push_back(values(g));
    return Tensor();
  });
  backward(sum(x * 3) + sum(x * 4));
  EXPECT_EQ(seen, (std::vector<Values>{{7, 7}}));
  EXPECT_EQ(values(x.grad()), (Values{7, 7}));
}

TEST(Hook, ReplacesTheGradientThatFlowsOn) {
  const Tensor x = scalar(3);
  const Tensor y = x * x;
  register_hook(y, [](const Tensor& g) { return g * 10; });
  backward(y * 2);
  EXPECT_EQ(x.grad().item<double>(), 120);
}

TEST(Hook, OutlivesTheHandleOfAComputedTensor) {
  const Tensor x = scalar(3);
  int calls = 0;
  Tensor loss;
  {
    const Tensor y = x * x;
    register_hook(y, [&](const Tensor&) {
      ++calls;
      return Tensor();
    });
    loss = y * 2;
  }
  backward(loss);
  EXPECT_EQ(calls, 1);
}

TEST(Hook, RunsInOrderOfRegistrationAndStopsWhenRemoved) {
  const Tensor x = scalar(3);
  const HookHandle doubled = register_hook(x, [](const Tensor& g) { return g * 2; });
  register_hook(x, [](const Tensor& g) { return g + 1; });
  backward(x * 5);
  EXPECT_EQ(x.grad().item<double>(), 11);
  HookHandle handle = doubled;
  handle.remove();
  x.set_grad(Tensor());
  backward(x * 5);
  EXPECT_EQ(x.grad().item<double>(), 6);
}

TEST(Hook, RunsBeforeAGradientIsCaptured) {
  const Tensor x = scalar(3);
  const Tensor y = x * x;
  register_hook(x, [](const Tensor& g) { return g * 2; });
  register_hook(y, [](const Tensor& g) { return g * 3; });
  const auto g = grad({y * 1}, {x, y});
  EXPECT_EQ(g[0].item<double>(), 36);
  EXPECT_EQ(g[1].item<double>(), 3);
}

TEST(Hook, SeesARecordedGradientUnderCreateGraph) {
  const Tensor x = scalar(3);
  register_hook(x, [](const Tensor& g) { return g * g; });
  const Tensor g = grad({x * x}, {x}, {.create_graph = true})[0];
  EXPECT_EQ(g.item<double>(), 36);
}

TEST(Hook, MustReturnAGradientOfTheSameKind) {
  const Tensor x = leaf({1, 2}, {2});
  register_hook(x, [](const Tensor& g) { return sum(g); });
  EXPECT_TRUE(
      throws<AutogradError>([&] { backward(sum(x)); }, "[register_hook] expected the hook to return a gradient like"));
}

TEST(Hook, IsRefusedWithoutAGradient) {
  EXPECT_TRUE(throws<AutogradError>([] { register_hook(f64({1}, {}), {}); },
                                    "[register_hook] expected a tensor that requires"));
}

}  // namespace
}  // namespace hop::autograd
