// Golden trajectories: the algorithms of torch.optim's documentation, run in Python on one parameter (1.5 at the start)
// with the gradient 0.5 p + 0.1 t at step t.
#include "kernels/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/update_rules.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using Golden = std::vector<double>;
using kernels::UpdateRule;
using kernels::UpdateSegment;
using kernels::rules::Adam;
using kernels::rules::AdamW;
using kernels::rules::Sgd;

struct State {
  Tensor lr, step;
  explicit State(double rate, std::int64_t steps = 0)
      : lr(kernels::full({}, rate, DType::f64)), step(kernels::full({}, steps, DType::i64)) {}
  kernels::UpdateState tensors(const Tensor& stop = {}) const { return {lr, step, stop}; }
};

Golden run(const UpdateRule& rule, double lr, DType dtype) {
  const Tensor p = kernels::full({1}, 1.5, dtype), g = kernels::zeros({1}, dtype);
  std::vector<Tensor> slots;
  // The first step of SGD must not read the momentum.
  for (std::size_t k = 0; k < kernels::slots_of(rule).size(); ++k)
    slots.push_back(kernels::full({1}, std::holds_alternative<Sgd>(rule) ? NAN : 0, dtype));
  const State state(lr);
  Golden path;
  for (int t = 1; t <= 4; ++t) {
    kernels::fill_(g, 0.5 * p.item<double>() + 0.1 * t);
    kernels::update(rule, std::vector{UpdateSegment{p, g, slots}}, state.tensors());
    path.push_back(p.item<double>());
    EXPECT_EQ(state.step.item<std::int64_t>(), t);
  }
  return path;
}

template <class Rule>
void expect_path(const Rule& rule, const Golden& golden) {
  EXPECT_TRUE(testing::close(run(rule, rule.lr, DType::f64), golden, 1e-14, 0));
  EXPECT_TRUE(testing::close(run(rule, rule.lr, DType::f32), golden, 1e-6, 0));
}

TEST(SgdUpdate, FollowsPyTorch) {
  expect_path(Sgd{.lr = 0.1}, {1.415, 1.3242500000000001, 1.2280375000000001, 1.126635625});
  expect_path(Sgd{.lr = 0.1, .momentum = 0.9}, {1.415, 1.24775, 1.0048374999999998, 0.6959743749999998});
  expect_path(Sgd{.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01},
              {1.4135, 1.27118805, 1.0767258816149998, 0.8352708160948443});
  expect_path(Sgd{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
              {1.33565, 1.098160515, 0.8003145595964999, 0.45610828654694896});
}

TEST(AdamUpdate, FollowsPyTorch) {
  expect_path(Adam{.lr = 0.05}, {1.4500000005882352, 1.3999345374797958, 1.3497628517655085, 1.2994468746926158});
  expect_path(Adam{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1},
              {1.45004995004995, 1.399982407219742, 1.34973054076092, 1.299235961493583});
  expect_path(AdamW{.lr = 0.05, .weight_decay = 0.1},
              {1.4425000005882351, 1.3852231389584562, 1.3281283612891814, 1.2711774330613848});
}

TEST(AdamUpdate, AfterManyStepsHasNoBiasLeft) {
  const auto one = [](float value) { return Tensor::from<float>({value}, {1}); };
  const Tensor p = one(1);
  kernels::update(Adam{}, std::vector{UpdateSegment{p, one(0.5F), std::vector{one(0.5F), one(0.25F)}}},
                  State(0.01, 9999999).tensors());
  EXPECT_FLOAT_EQ(p.item<float>(), 0.99F);
}

// The update of a parameter depends neither on its place in the block nor on the number of threads.
TEST(Update, GivesAParameterTheSameBitsWhereverItStands) {
  constexpr std::int64_t kCount = 40000;
  const auto vector = [](std::uint64_t seed, double low) {
    return testing::random_tensor({kCount}, DType::f32, seed, low, 1);
  };
  const auto step = [&](std::int64_t first, std::int64_t n) {
    const Tensor p = vector(1, -1), g = vector(2, -1), m = vector(3, -1), v = vector(4, 0), p2 = vector(1, -1),
                 m2 = vector(3, -1);
    const auto part = [&](const Tensor& x) { return x.as_strided({n}, {1}, first); };
    kernels::update(Adam{.weight_decay = 0.01},
                    std::vector{UpdateSegment{part(p), part(g), std::vector{part(m), part(v)}}},
                    State(0.1, 2).tensors());
    kernels::update(Sgd{.momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
                    std::vector{UpdateSegment{part(p2), part(g), std::vector{part(m2)}}}, State(0.1, 2).tensors());
    std::vector<std::vector<float>> all;
    for (const Tensor& x : {p, m, v, p2, m2}) all.push_back(testing::values<float>(x));
    return all;
  };
  const auto whole = step(0, kCount), before = step(0, 0);
  for (std::size_t first = 0; first < 17; ++first) {
    for (std::size_t n = 0; n < 35; n += 3) {
      const auto some = step(static_cast<std::int64_t>(first), static_cast<std::int64_t>(n));
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

// Neighbours share the constants of a step only where their scales and dtypes are equal.
TEST(Update, GivesASegmentTheSameBitsAfterAnyOther) {
  const auto segment = [](DType dtype, double lr_scale, double decay_scale, std::vector<Tensor>& slots) {
    slots = {kernels::full({3}, 0.25, dtype), kernels::full({3}, 0.5, dtype)};
    return UpdateSegment{kernels::full({3}, 1.5, dtype), kernels::full({3}, 0.75, dtype), slots, lr_scale, decay_scale};
  };
  std::vector<std::pair<double, double>> scales = {{1, 1}, {1, 1}, {0.5, 1}, {0.5, 0}, {1, 0}, {1, 1}};
  std::vector<std::vector<Tensor>> slots(2 * scales.size());
  std::vector<UpdateSegment> together;
  for (std::size_t i = 0; i < scales.size(); ++i) {
    for (const DType dtype : {DType::f32, DType::f64})
      together.push_back(segment(dtype, scales[i].first, scales[i].second, slots[together.size()]));
  }
  const AdamW rule{.weight_decay = 0.3};
  kernels::update(rule, together, State(0.1, 2).tensors());
  for (const UpdateSegment& s : together) {
    std::vector<Tensor> own;
    const UpdateSegment alone = segment(s.parameter.dtype(), s.lr_scale, s.weight_decay_scale, own);
    kernels::update(rule, std::span(&alone, 1), State(0.1, 2).tensors());
    EXPECT_EQ(testing::values<double>(s.parameter), testing::values<double>(alone.parameter)) << s.lr_scale;
  }
}

TEST(Update, ScalesTheRateAndTheDecayOfEachSegment) {
  const auto one = [] { return Tensor::from<float>({1}, {1}); };
  const Tensor a = one(), b = one(), zero = kernels::zeros({1});
  kernels::update(Sgd{.weight_decay = 1},
                  std::vector{UpdateSegment{.parameter = a, .gradient = zero, .lr_scale = 0.5},
                              UpdateSegment{.parameter = b, .gradient = zero, .weight_decay_scale = 0}},
                  State(0.5).tensors());
  EXPECT_FLOAT_EQ(a.item<float>(), 0.75F);
  EXPECT_FLOAT_EQ(b.item<float>(), 1);
}

TEST(Update, ChangesNothingWhileTheStopFlagIsSet) {
  const Tensor p = Tensor::from<float>({1}, {1}), g = Tensor::from<float>({1}, {1}),
               stop = kernels::full({}, 1, DType::f64);
  const State state(0.5);
  const std::vector segments{UpdateSegment{p, g}};
  kernels::update(Sgd{}, segments, state.tensors(stop));
  EXPECT_EQ(p.item<float>(), 1);
  EXPECT_EQ(state.step.item<std::int64_t>(), 0);
  kernels::fill_(stop, 0);
  kernels::update(Sgd{}, segments, state.tensors(stop));
  EXPECT_EQ(p.item<float>(), 0.5F);
  EXPECT_EQ(state.step.item<std::int64_t>(), 1);
}

TEST(Update, RefusesOtherShapesDtypesAndDevices) {
  const Tensor four = kernels::zeros({4}), three = kernels::zeros({3}), f64 = kernels::zeros({4}, DType::f64);
  const State state(0.1);
  const auto update = [&](const UpdateRule& rule, const UpdateSegment& segment) {
    kernels::update(rule, std::vector{segment}, state.tensors());
  };
  EXPECT_EQ(testing::error_of<ShapeError>([&] {
              update(Sgd{}, {four, three});
            }),
            "[update] expected gradient of shape (4), got (3)");
  EXPECT_EQ(testing::error_of<ShapeError>([&] {
              update(Sgd{.momentum = 0.9}, {four, four});
            }),
            "[update] expected 1 slots, got 0");
  EXPECT_EQ(testing::error_of<ShapeError>([&] {
              update(Adam{}, {four, four, std::vector{four, three}});
            }),
            "[update] expected exp_avg_sq of shape (4), got (3)");
  EXPECT_THROW(update(Adam{}, {four, f64, std::vector{four, four}}), DtypeError);
  EXPECT_NO_THROW(update(Sgd{}, {four, four}));
  EXPECT_THROW(kernels::update(Sgd{}, {}, {state.step, state.step, {}}), DtypeError);
}

TEST(Measure, AddsUpLossesAndRaisesTheFlagForHopelessOnes) {
  const Tensor meter = kernels::zeros({2}, DType::f64);
  const auto measure = [&](double loss, double rows) {
    kernels::measure(kernels::full({}, loss, DType::f32), rows, 100, meter);
    return testing::values<double>(meter);
  };
  EXPECT_THAT(measure(0.5, 4), ::testing::ElementsAre(2, 0));
  EXPECT_THAT(measure(99, 1), ::testing::ElementsAre(101, 0));
  EXPECT_THAT(measure(100, 1), ::testing::ElementsAre(201, 1));
  EXPECT_THAT(measure(1, 1), ::testing::ElementsAre(202, 1));  // it stays
  kernels::fill_(meter, 0);
  EXPECT_EQ(measure(NAN, 1)[1], 1);
}

}  // namespace
}  // namespace hop
