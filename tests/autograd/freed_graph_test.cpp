// A graph that an earlier pass freed. A pass that needs a freed part gets an error; any other pass runs.
#include "autograd/checkpoint.h"
#include "autograd/function.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

/// x, and two results that share h = x * x.
struct Shared {
  Tensor x = scalar(3);
  Tensor h = x * x;
  Tensor first = sum(h), second = sum(h * x);  // 3 x^2 = 27
};

TEST(FreedGraph, OnTheWayIsAnErrorOfGrad) {
  for (const bool by_grad : {false, true}) {
    for (const bool allow_unused : {false, true}) {
      const Shared s;
      by_grad ? static_cast<void>(grad({s.first}, {s.x})) : backward(s.first);
      EXPECT_TRUE(throws<AutogradError>([&] { grad({s.second}, {s.x}, {.allow_unused = allow_unused}); },
                                        "the graph was freed by an earlier pass (reached mul)"));
    }
  }
}

TEST(FreedGraph, OnTheWayIsAnErrorOfBackward) {
  const Shared s;
  backward(s.first);
  EXPECT_TRUE(throws<AutogradError>([&] { backward(s.second); }, "the graph was freed"));
}

TEST(FreedGraph, OfTheVeryResultIsAnError) {
  for (const bool allow_unused : {false, true}) {
    const Tensor x = scalar(2);
    const Tensor z = sum(x * x);
    backward(z);
    EXPECT_TRUE(throws<AutogradError>([&] { grad({z}, {x}, {.allow_unused = allow_unused}); }, "the graph was freed"));
    EXPECT_TRUE(throws<AutogradError>([&] { grad({z * 2}, {x}, {.allow_unused = allow_unused}); }, "was freed"));
    EXPECT_TRUE(throws<AutogradError>([&] { backward(z); }, "the graph was freed"));
  }
}

// Only the last of the three steps is still there.
TEST(FreedGraph, OfARecurrentNetIsAnErrorInPlaceOfAPartOfTheGradient) {
  const Tensor w = scalar(0.5);
  std::vector<Tensor> h{f64({2}, {})};
  for (int i = 0; i < 3; ++i) h.push_back(tanh(h.back() * w));
  backward(sum(h[2]));
  EXPECT_TRUE(throws<AutogradError>([&] { grad({sum(h[3])}, {w}); }, "the graph was freed"));
  EXPECT_TRUE(throws<AutogradError>([&] { grad({sum(h[3]), sum(h[3] * 2)}, {w}); }, "the graph was freed"));
}

TEST(FreedGraph, IsNoErrorWhereItIsNotOnTheWay) {
  const Shared s;
  const Tensor w = scalar(5), product = s.h * w, scaled = s.first * w;
  backward(s.first);
  EXPECT_EQ(grad({product}, {w})[0].item<double>(), 9);
  EXPECT_EQ(grad({scaled}, {w})[0].item<double>(), 9);  // the result of a pass as a factor
  EXPECT_EQ(grad({s.h * s.x}, {s.h})[0].item<double>(), 3);
  EXPECT_TRUE(throws<AutogradError>([&] { grad({s.first * w}, {s.x}); }, "the graph was freed"));
  EXPECT_TRUE(throws<AutogradError>([&] { grad({s.first * w}, {w, s.x}); }, "the graph was freed"));
}

TEST(FreedGraph, KeepsItsRetainedParts) {
  const Shared s;
  backward(s.first, {.retain_graph = true});
  EXPECT_EQ(grad({s.second}, {s.x})[0].item<double>(), 27);
}

struct Twice : Function<Twice> {
  static Tensor forward(Context& c, const Tensor& x) {
    c.save_for_backward({x});
    return x * 2;
  }
  static Tensor backward(Context& c, const Tensor& g) { return g * (c.saved()[0] * 0 + 2); }
};

TEST(FreedGraph, OfAFunctionOrACheckpointIsAnError) {
  const Tensor x = scalar(3), w = scalar(2);
  const Tensor custom = Twice::apply(x), rerun = checkpoint([&](const Tensor&t) { return t * w; }, x);
  backward(custom * rerun);
  EXPECT_TRUE(throws<AutogradError>([&] { grad({custom + x}, {x}); }, "the graph was freed"));
  EXPECT_TRUE(throws<AutogradError>([&] { grad({rerun + x}, {x}); }, "the graph was freed"));
  EXPECT_TRUE(throws<AutogradError>([&] { grad({rerun + w}, {w}); }, "the graph was freed"));
}

// A checkpoint has no edge to what it captured. The result of the pass, whose graph is gone, remembers it all the same.
TEST(FreedGraph, BehindAResultIsAnErrorAlsoForWhatACheckpointCaptured) {
  const Tensor x = scalar(3), w = scalar(2), other = scalar(5);
  const auto inner = [&](const Tensor& t) { return t * w; };
  const Tensor once = sum(checkpoint(inner, x));
  const Tensor nested = sum(checkpoint([&](const Tensor& t) { return checkpoint(inner, t); }, x));
  for (const Tensor& loss : {once, nested}) {
    backward(loss);
    EXPECT_TRUE(throws<AutogradError>([&] { grad({loss + w}, {w}); }, "the graph was freed"));  // 1 would be a part
    EXPECT_TRUE(throws<AutogradError>([&] { grad({loss}, {w}, {.allow_unused = true}); }, "the graph was freed"));
    EXPECT_EQ(grad({loss * other}, {other})[0].item<double>(), 6);
  }
}

// A new leaf may have the address of one that died.
TEST(FreedGraph, IsNoErrorForALeafThatWasMadeAfterThePass) {
  Tensor loss;
  {
    const Tensor x = scalar(3);
    loss = sum(x * x);
    backward(loss);
  }
  std::vector<Tensor> leaves;
  for (int i = 0; i < 100; ++i) {
    leaves.push_back(scalar(2));
    EXPECT_EQ(grad({loss * leaves.back()}, {leaves.back()})[0].item<double>(), 9);
  }
}

// A loss of every step may be kept: its graph goes.
TEST(FreedGraph, IsLetGoByTheResultThatThePassBeganAt) {
  const Tensor x = scalar(2);
  const Tensor loss = sum(x * x);
  EXPECT_FALSE(x.is_unique());
  backward(loss);
  EXPECT_TRUE(x.is_unique());
}

}  // namespace
}  // namespace hop::autograd
