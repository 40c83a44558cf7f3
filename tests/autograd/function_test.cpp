// Operations that users write.
#include "autograd/function.h"

#include "tensor/autograd_slot.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

using Values = std::vector<double>;

struct Scale : Function<Scale> {
  static constexpr const char* kName = "scale";
  struct Context : FunctionContext {
    double factor = 0;
  };
  static Tensor forward(Context& c, const Tensor& x, double factor) {
    EXPECT_FALSE(is_grad_enabled());
    c.factor = factor;
    return x * factor;
  }
  static Tensor backward(Context& c, const Tensor& g) { return g * c.factor; }
};

TEST(Function, CarriesTypedStateFromForwardToBackward) {
  const Tensor x = leaf({1, 2}, {2});
  const Tensor y = Scale::apply(x, 3.0);
  EXPECT_EQ(values(y), (Values{3, 6}));
  backward(sum(y));
  EXPECT_EQ(values(x.grad()), (Values{3, 3}));
}

TEST(Function, RecordsNothingWhenNoInputRequiresAGradient) {
  EXPECT_FALSE(Scale::apply(f64({1}, {}), 3.0).requires_grad());
  const NoGradGuard no_grad;
  EXPECT_FALSE(Scale::apply(scalar(1), 3.0).requires_grad());
}

struct Product : Function<Product> {
  static Tensor forward(Context& c, const Tensor& a, const Tensor& b) {
    c.save_for_backward({a, b});
    return a * b;
  }
  static std::vector<Tensor> backward(Context& c, const Tensor& g) {
    const auto& s = c.saved();
    return {c.needs_input_grad(0) ? g * s[1] : Tensor(), c.needs_input_grad(1) ? g * s[0] : Tensor()};
  }
};

struct Exponential : Function<Exponential> {
  static Tensor forward(Context& c, const Tensor& x) {
    const Tensor y = exp(x);
    c.save_for_backward({y});
    return y;
  }
  static Tensor backward(Context& c, const Tensor& g) { return g * c.saved()[0]; }
};

TEST(Function, ThatSavesItsOutputDoesNotKeepItselfAlive) {
  Tensor y = Exponential::apply(scalar(2));
  const std::weak_ptr<Node> node = y.autograd_slot()->grad_fn;
  y = Tensor();
  EXPECT_TRUE(node.expired());
}

struct SumAndDifference : Function<SumAndDifference> {
  static std::vector<Tensor> forward(Context&, const Tensor& a, const Tensor& b) { return {a + b, a - b}; }
  static std::vector<Tensor> backward(Context&, const std::vector<Tensor>& g) {
    const auto or_zero = [&](std::size_t i) { return g[i].defined() ? g[i] : zeros_like(g[1 - i]); };
    return {or_zero(0) + or_zero(1), or_zero(0) - or_zero(1)};
  }
};

TEST(Function, PassesTheChecks) {
  const std::vector<Tensor> inputs = {random_leaf({3, 2}, 1), random_leaf({3, 2}, 2, Layout::transposed)};
  const auto check = [&](const testing::DifferentiableFunction& fn) {
    const auto once = testing::gradcheck(fn, inputs);
    EXPECT_TRUE(once.ok) << once.message;
    const auto twice = testing::gradgradcheck(fn, inputs);
    EXPECT_TRUE(twice.ok) << twice.message;
  };
  check([](const auto& x) { return std::vector<Tensor>{Product::apply(x[0], x[1])}; });
  check([](const auto& x) { return std::vector<Tensor>{Exponential::apply(x[0] * x[1])}; });
  check([](const auto& x) { return SumAndDifference::apply(square(x[0]), x[1]); });
}

TEST(Function, SeesAnUndefinedGradientForAnOutputThatNothingDependsOn) {
  const Tensor a = scalar(1), b = scalar(2);
  backward(SumAndDifference::apply(a, b)[1]);
  EXPECT_EQ(a.grad().item<double>(), 1);
  EXPECT_EQ(b.grad().item<double>(), -1);
}

TEST(Function, NoticesAWriteInPlaceToWhatItSaved) {
  const Tensor a = scalar(1), b = f64({2}, {});
  const Tensor y = Product::apply(a, b);
  fill_(b, 3);
  EXPECT_TRUE(
      throws<AutogradError>([&] { backward(y); }, "[function] a tensor that its gradient needs was written in place"));
}

struct HandThrough : Function<HandThrough> {
  static Tensor forward(Context& c, const Tensor& x) {
    c.save_for_backward({x});
    return x;
  }
  static Tensor backward(Context& c, const Tensor& g) { return -g * c.saved()[0]; }
};

TEST(Function, MayReturnItsInput) {
  const Tensor x = scalar(3);
  const Tensor y = x * 2;
  backward(HandThrough::apply(y));
  EXPECT_EQ(x.grad().item<double>(), -12);
}

struct PassesAMaskThrough : Function<PassesAMaskThrough> {
  static std::vector<Tensor> forward(FunctionContext&, const Tensor& x, const Tensor& mask) { return {x * mask, mask}; }
  static std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& g) { return {g[0], {}}; }
};

TEST(Function, LeavesTheHandlesOfItsCallerAsTheyAre) {
  const Tensor x = leaf({1, 2}, {2}), mask = leaf({1, 0}, {2}).detach();
  backward(sum(PassesAMaskThrough::apply(x, mask)[0]));
  EXPECT_FALSE(mask.requires_grad());
  backward(sum(x * mask));
}

template <int kWrong>
struct Wrong : Function<Wrong<kWrong>> {
  static constexpr const char* kName = "wrong";
  static Tensor forward(FunctionContext&, const Tensor& x) { return x * 2; }
  static std::vector<Tensor> backward(FunctionContext&, const Tensor& g) {
    if (kWrong == 0) return {g, g};
    if (kWrong == 1) return {sum(g)};
    return {to(g, DType::f32)};
  }
};

TEST(Function, IsToldWhatIsWrongWithItsGradient) {
  const auto run = [](auto function) {
    const Tensor x = leaf({1, 2}, {2});
    backward(sum(decltype(function)::apply(x)));
  };
  EXPECT_TRUE(throws<AutogradError>([&] { run(Wrong<0>{}); },
                                    "[wrong] expected backward to return 1 gradients, one per tensor argument, got 2"));
  EXPECT_TRUE(throws<AutogradError>([&] { run(Wrong<1>{}); },
                                    "[wrong] expected backward to return f64 (2) as gradient 0, got f64 () on cpu"));
  EXPECT_TRUE(throws<AutogradError>([&] { run(Wrong<2>{}); }, "as gradient 0, got f32 (2) on cpu"));
}

}  // namespace
}  // namespace hop::autograd
