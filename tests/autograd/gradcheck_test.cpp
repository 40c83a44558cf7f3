// The gradient check finds gradients that are wrong.
#include "autograd/gradcheck.h"

#include <cmath>

#include "autograd/function.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

using List = std::vector<Tensor>;

struct WrongAtOneElement : Function<WrongAtOneElement> {
  static Tensor forward(Context&, const Tensor& x) { return x * 2; }
  static Tensor backward(Context&, const Tensor& g) {
    const Tensor dx = g * 2;
    dx.data<double>()[4] *= 1.001;
    return dx;
  }
};

TEST(Gradcheck, NamesTheElementThatIsWrong) {
  const auto report =
      testing::gradcheck([](const List& x) { return List{WrongAtOneElement::apply(x[0])}; }, {random_leaf({2, 3}, 1)});
  EXPECT_FALSE(report.ok);
  EXPECT_GT(report.worst, 1);
  EXPECT_NE(report.message.find("d output 0 [1, 1] / d input 0 [1, 1]: analytic 2.002"), std::string::npos)
      << report.message;
}

// Leaves one element of its gradient as the allocator gave it.
struct Unwritten : Function<Unwritten> {
  static Tensor forward(Context&, const Tensor& x) { return x * 2; }
  static Tensor backward(Context&, const Tensor& g) {
    Tensor dx = Tensor::empty(g.shape(), DType::f64);
    for (std::int64_t i = 1; i < g.numel(); ++i) dx.data<double>()[i] = 2 * g.data<double>()[i];
    return dx;
  }
};

TEST(Gradcheck, SeesAnElementThatIsNeverWritten) {
  EXPECT_FALSE(
      testing::gradcheck([](const List& x) { return List{Unwritten::apply(x[0])}; }, {random_leaf({4}, 1)}).ok);
}

// Looks at the memory that its gradient would get.
struct Peek : Function<Peek> {
  static inline int poisoned = 0;
  static Tensor forward(Context&, const Tensor& x) { return x * 1; }
  static Tensor backward(Context&, const Tensor& g) {
    poisoned += std::isnan(Tensor::empty(g.shape(), DType::f64).data<double>()[0]) ? 1 : 0;
    return g * 1;
  }
};

TEST(Gradcheck, PoisonsFreeMemoryBeforeEveryGradient) {
  Peek::poisoned = 0;
  EXPECT_TRUE(testing::gradcheck([](const List& x) { return List{Peek::apply(x[0])}; }, {random_leaf({4}, 1)}).ok);
  EXPECT_EQ(Peek::poisoned, 4);
}

struct NotDifferentiableTwice : Function<NotDifferentiableTwice> {
  static Tensor forward(Context& c, const Tensor& x) {
    c.save_for_backward({x});
    return x * x;
  }
  static Tensor backward(Context& c, const Tensor& g) { return g * c.saved()[0].detach() * 2; }
};

TEST(Gradgradcheck, FindsAGradientThatIsRightButCutOff) {
  const auto fn = [](const List& x) { return List{NotDifferentiableTwice::apply(x[0])}; };
  const List inputs = {random_leaf({3}, 1)};
  EXPECT_TRUE(testing::gradcheck(fn, inputs).ok);
  EXPECT_FALSE(testing::gradgradcheck(fn, inputs).ok);
}

// Right, and differentiable, but twice as large when it is recorded.
struct AnotherUnderCreateGraph : Function<AnotherUnderCreateGraph> {
  static Tensor forward(Context& c, const Tensor& x) {
    c.save_for_backward({x});
    return x * x;
  }
  static Tensor backward(Context& c, const Tensor& g) { return g * c.saved()[0] * (is_grad_enabled() ? 4 : 2); }
};

TEST(Gradgradcheck, FindsAGradientThatIsWrongOnlyWhenRecorded) {
  const auto fn = [](const List& x) { return List{AnotherUnderCreateGraph::apply(x[0])}; };
  const List inputs = {random_leaf({3}, 1)};
  EXPECT_TRUE(testing::gradcheck(fn, inputs).ok);
  EXPECT_FALSE(testing::gradgradcheck(fn, inputs).ok);
}

TEST(Gradcheck, ChecksEveryOutputAndInputAndSkipsConstants) {
  const auto fn = [](const List& x) { return List{x[0] * x[1], exp(x[2]), x[1] * 2}; };
  const List inputs = {random_leaf({3}, 1), random_tensor({3}, 2), random_leaf({2}, 3)};
  const auto report = testing::gradcheck(fn, inputs);
  EXPECT_TRUE(report.ok) << report.message;
}

TEST(Gradcheck, LeavesTheInputsAsTheyWere) {
  const Tensor x = random_leaf({3}, 1);
  const auto before = values(x);
  testing::gradcheck([](const List& list) { return List{exp(list[0])}; }, {x});
  EXPECT_EQ(values(x), before);
  EXPECT_FALSE(x.grad().defined());
}

TEST(Gradcheck, RefusesWhatItCannotJudge) {
  const auto fn = [](const List& x) { return List{exp(x[0])}; };
  const Tensor single = Tensor::from<float>({1, 2}, {2}).set_requires_grad();
  EXPECT_TRUE(throws<DtypeError>([&] { testing::gradcheck(fn, {single}); }, "[gradcheck] expected f64"));
  EXPECT_TRUE(throws<AutogradError>([&] { testing::gradcheck(fn, {scalar(1) * 2}); }, "[gradcheck] expected leaves"));
  const Tensor expanded = expand(f64({1}, {1}), {3}).set_requires_grad();
  EXPECT_TRUE(throws<AutogradError>([&] { testing::gradcheck(fn, {expanded}); }, "do not overlap"));
}

TEST(Poison, FillsTheNextTensorsWithNotANumber) {
  testing::poison_free_memory(24);
  EXPECT_TRUE(std::isnan(Tensor::empty({3}, DType::f64).data<double>()[0]));
}

}  // namespace
}  // namespace hop::autograd
