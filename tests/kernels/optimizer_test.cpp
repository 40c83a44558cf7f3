// Golden trajectories: the algorithms of torch.optim's documentation, run in Python on one parameter (1.5 at the start)
// with the gradient 0.5 p + 0.1 t at step t.
#include "kernels/optimizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using Golden = std::vector<double>;

template <class T>
Golden run_sgd(kernels::SgdStep step) {
  std::vector<T> p = {static_cast<T>(1.5)}, g(1),
                 m(1, static_cast<T>(NAN));  // the first step must not read the momentum
  Golden path;
  for (int t = 1; t <= 4; ++t) {
    g[0] = static_cast<T>(0.5 * static_cast<double>(p[0]) + 0.1 * t);
    step.first_step = t == 1;
    kernels::sgd_step(std::span<T>(p), std::span<const T>(g), std::span<T>(m), step);
    path.push_back(static_cast<double>(p[0]));
  }
  return path;
}

template <class T>
Golden run_adam(kernels::AdamStep step) {
  std::vector<T> p = {static_cast<T>(1.5)}, g(1), m(1), v(1);
  Golden path;
  for (step.step = 1; step.step <= 4; ++step.step) {
    g[0] = static_cast<T>(0.5 * static_cast<double>(p[0]) + 0.1 * static_cast<double>(step.step));
    kernels::adam_step(std::span<T>(p), std::span<const T>(g), std::span<T>(m), std::span<T>(v), step);
    path.push_back(static_cast<double>(p[0]));
  }
  return path;
}

void expect_sgd(const kernels::SgdStep& step, const Golden& golden) {
  EXPECT_TRUE(testing::close(run_sgd<double>(step), golden, 1e-14, 0));
  EXPECT_TRUE(testing::close(run_sgd<float>(step), golden, 1e-6, 0));
}

void expect_adam(const kernels::AdamStep& step, const Golden& golden) {
  EXPECT_TRUE(testing::close(run_adam<double>(step), golden, 1e-14, 0));
  EXPECT_TRUE(testing::close(run_adam<float>(step), golden, 1e-6, 0));
}

TEST(Sgd, FollowsPyTorch) {
  expect_sgd({.lr = 0.1}, {1.415, 1.3242500000000001, 1.2280375000000001, 1.126635625});
  expect_sgd({.lr = 0.1, .momentum = 0.9}, {1.415, 1.24775, 1.0048374999999998, 0.6959743749999998});
  expect_sgd({.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01},
             {1.4135, 1.27118805, 1.0767258816149998, 0.8352708160948443});
  expect_sgd({.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
             {1.33565, 1.098160515, 0.8003145595964999, 0.45610828654694896});
}

TEST(Adam, FollowsPyTorch) {
  expect_adam({.lr = 0.05}, {1.4500000005882352, 1.3999345374797958, 1.3497628517655085, 1.2994468746926158});
  expect_adam({.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1},
              {1.45004995004995, 1.399982407219742, 1.34973054076092, 1.299235961493583});
  expect_adam({.lr = 0.05, .weight_decay = 0.1, .decoupled = true},
              {1.4425000005882351, 1.3852231389584562, 1.3281283612891814, 1.2711774330613848});
}

TEST(Adam, AfterManyStepsHasNoBiasLeft) {
  std::vector<float> p = {1}, g = {0.5F}, m = {0.5F}, v = {0.25F};
  kernels::adam_step(std::span<float>(p), std::span<const float>(g), std::span<float>(m), std::span<float>(v),
                     {.lr = 0.01, .step = 10000000});
  EXPECT_FLOAT_EQ(p[0], 0.99F);
}

// What happens to a parameter does not depend on where in the block it stands, nor on the threads.
TEST(OptimizerSteps, GiveAParameterTheSameBitsWhereverItStands) {
  constexpr std::int64_t kCount = 40000;
  const auto vector = [](std::uint64_t seed, double low) {
    return testing::values<float>(testing::random_tensor({kCount}, DType::f32, seed, low, 1));
  };
  const auto step = [&](std::size_t first, std::size_t n) {
    auto p = vector(1, -1), g = vector(2, -1), m = vector(3, -1), v = vector(4, 0), p2 = p, m2 = m;
    const auto part = [&](auto& x) { return std::span(x).subspan(first, n); };
    const std::span<const float> gradients = std::span<const float>(g).subspan(first, n);
    kernels::adam_step(part(p), gradients, part(m), part(v), {.lr = 0.1, .weight_decay = 0.01, .step = 3});
    kernels::sgd_step(part(p2), gradients, part(m2),
                      {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true});
    std::vector<std::vector<float>> all = {p, m, v, p2, m2};
    return all;
  };
  const auto whole = step(0, kCount), before = step(0, 0);
  for (std::size_t first = 0; first < 17; ++first) {
    for (std::size_t n = 0; n < 35; n += 3) {
      const auto some = step(first, n);
      for (std::size_t k = 0; k < whole.size(); ++k) {
        for (std::size_t i = 0; i < 60; ++i) {
          const bool inside = i >= first && i < first + n;
          ASSERT_EQ(some[k][i], inside ? whole[k][i] : before[k][i]) << first << " " << n << " " << k << " " << i;
        }
      }
    }
  }
  const testing::ComputeThreads two(2);
  EXPECT_EQ(step(0, kCount), whole);
}

TEST(OptimizerSteps, RefuseOtherLengths) {
  std::vector<float> four(4), three(3);
  const std::span<const float> g = four;
  EXPECT_EQ(testing::error_of<ShapeError>([&] { kernels::sgd_step(std::span(three), g, {}, {}); }),
            "[sgd_step] expected 3 gradients, as many as parameters, got 4");
  EXPECT_THROW(kernels::sgd_step(std::span(four), g, {}, {.momentum = 0.9}), ShapeError);
  EXPECT_NO_THROW(kernels::sgd_step(std::span(four), g, {}, {}));
  EXPECT_THROW(kernels::adam_step(std::span(four), g, std::span(four), std::span(three), {}), ShapeError);
  EXPECT_THROW(kernels::adam_step(std::span(four), g, std::span(four), std::span(four), {.step = 0}), ConfigError);
}

}  // namespace
}  // namespace hop
