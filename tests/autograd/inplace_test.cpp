#include "autograd/inplace.h"

#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

using Values = std::vector<double>;

TEST(InPlace, WritesThroughEveryLayoutAndBroadcasts) {
  for (const Layout layout : {Layout::contiguous, Layout::transposed, Layout::sliced}) {
    const Tensor y = random_tensor({2, 3}, 1, layout);
    copy_(y, f64({1, 2, 3}, {3}));
    EXPECT_EQ(values(y), (Values{1, 2, 3, 1, 2, 3})) << name(layout);
    add_(y, f64({10, 20}, {2, 1}));
    EXPECT_EQ(values(y), (Values{11, 12, 13, 21, 22, 23})) << name(layout);
    add_(y, f64({1, 1, 1}, {3}), -2);
    mul_(y, 0.5);
    EXPECT_EQ(values(y), (Values{4.5, 5, 5.5, 9.5, 10, 10.5})) << name(layout);
    mul_(y, f64({0, 2}, {2, 1}));
    EXPECT_EQ(values(y), (Values{0, 0, 0, 19, 20, 21})) << name(layout);
    lerp_(y, f64({10}, {}), 0.1);
    EXPECT_NEAR(values(y)[3], 18.1, 1e-12) << name(layout);
    zero_(y);
    EXPECT_EQ(values(y), Values(6, 0.0)) << name(layout);
  }
}

TEST(InPlace, KeepsTheDtypeOfWhatIsWritten) {
  const Tensor y = Tensor::from<float>({1, 2}, {2});
  add_(y, f64({0.5, 0.5}, {2}));
  EXPECT_EQ(y.dtype(), DType::f32);
  EXPECT_EQ(values(y), (Values{1.5, 2.5}));
}

TEST(InPlace, BumpsTheVersion) {
  const Tensor y = f64({1, 2}, {2});
  for (const auto& write :
       std::vector<std::function<void()>>{[&] { copy_(y, f64({1}, {})); }, [&] { fill_(y, 1); }, [&] { zero_(y); },
                                          [&] { add_(y, 1); }, [&] { add_(y, f64({1}, {})); }, [&] { mul_(y, 2); },
                                          [&] { mul_(y, f64({2}, {})); }, [&] { lerp_(y, f64({2}, {}), 0.5); }}) {
    const auto before = y.version();
    write();
    EXPECT_GT(y.version(), before);
  }
}

TEST(InPlace, IsRefusedOnALeafWhileGradientsAreRecorded) {
  const Tensor x = leaf({1, 2}, {2});
  EXPECT_TRUE(throws<AutogradError>(
      [&] { add_(x, 1); },
      "[add_] writes in place are not recorded, and a leaf that requires a gradient takes part (f64 (2) on cpu)"));
  EXPECT_THROW(fill_(x, 1), AutogradError);
  EXPECT_THROW(copy_(x, f64({1}, {})), AutogradError);
  const NoGradGuard no_grad;
  add_(x, 1);
  EXPECT_EQ(values(x), (Values{2, 3}));
}

TEST(InPlace, IsRefusedOnAComputedTensorAndFromOne) {
  const Tensor x = leaf({1, 2}, {2});
  const Tensor y = x * 2;
  EXPECT_TRUE(
      throws<AutogradError>([&] { mul_(y, 2); }, "[mul_] writes in place are not recorded, and a computed tensor"));
  EXPECT_THROW(add_(f64({1, 2}, {2}), y), AutogradError);
  EXPECT_THROW(copy_(f64({1, 2}, {2}), x), AutogradError);
}

TEST(InPlace, RefusesAnOperandThatDoesNotBroadcast) {
  EXPECT_THROW(add_(f64({1, 2}, {2}), f64({1, 2, 3}, {3})), ShapeError);
  EXPECT_THROW(add_(f64({1}, {1}), f64({1, 2, 3}, {3})), ShapeError);
}

}  // namespace
}  // namespace hop::autograd
