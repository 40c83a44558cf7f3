// Limits for gradients against PyTorch, alone and as part of a captured step.
#include "nn/clip_grad.h"

#include "autograd/graph.h"
#include "kernels/capture.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "tests/nn/training_golden.h"

namespace hop::nn {
namespace {

using namespace testing;

std::vector<Tensor> parameters(DType dtype) {
  std::vector<Tensor> list;
  for (const char* i : {"0", "1"}) {
    list.push_back(clone(to(training_golden(std::string("start.") + i), dtype)).set_requires_grad());
    list.back().set_grad(clone(to(select(training_golden(std::string("gradients.") + i), 0, 0), dtype)));
  }
  return list;
}

void expect_gradients(const std::vector<Tensor>& list, const std::string& name, double tolerance) {
  for (std::size_t i = 0; i < list.size(); ++i)
    expect_close(list[i].grad(), training_golden(name + "." + std::to_string(i)), tolerance, name);
}

TEST(ClipGrad, FollowsPyTorch) {
  const std::map<std::string, std::pair<double, double>> cases = {
      {"clip_2", {1.5, 2}}, {"clip_1", {3, 1}}, {"clip_inf", {0.5, HUGE_VAL}}, {"clip_below", {1e3, 2}}};
  for (const auto& [dtype, tolerance] : {std::pair(DType::f64, 1e-14), std::pair(DType::f32, 1e-6)}) {
    for (const auto& [name, options] : cases) {
      const std::vector<Tensor> list = parameters(dtype);
      const Tensor norm = clip_grad_norm_(list, options.first, options.second);
      EXPECT_EQ(norm.dtype(), dtype);
      expect_close(norm, training_golden(name + ".norm"), tolerance, name);
      expect_gradients(list, name, tolerance);
    }
    const std::vector<Tensor> list = parameters(dtype);
    clip_grad_value_(list, 0.4);
    expect_gradients(list, "clip_value", tolerance);
  }
}

TEST(ClipGrad, LeavesGradientsThatAreSmallEnoughAsTheyAre) {
  const std::vector<Tensor> list = parameters(DType::f32), same = parameters(DType::f32);
  clip_grad_norm_(list, 1e3);
  clip_grad_value_(list, 1e3);
  for (std::size_t i = 0; i < list.size(); ++i) EXPECT_EQ(bits(list[i].grad()), bits(same[i].grad()));
}

TEST(ClipGrad, TakesGradientsOfAnyKind) {
  const Tensor turned = zeros({2, 3}).set_requires_grad(), scalar = zeros({}).set_requires_grad(),
               empty = zeros({0, 4}).set_requires_grad(), none = zeros({2}).set_requires_grad(),
               doubles = zeros({2}, {.dtype = DType::f64}).set_requires_grad();
  turned.set_grad(transpose(full({3, 2}, 2), 0, 1));
  scalar.set_grad(full({}, -4));
  empty.set_grad(zeros({0, 4}));
  doubles.set_grad(full({2}, 1, {.dtype = DType::f64}));
  // 6 times 4, 16, twice 1: the norm is the root of 42.
  const double length = std::sqrt(42.0);
  EXPECT_NEAR(clip_grad_norm_({turned, scalar, empty, none, doubles}, 1).item<double>(), length, 1e-6);
  EXPECT_NEAR(values(turned.grad())[5], 2 / length, 1e-6);
  EXPECT_NEAR(scalar.grad().item<double>(), -4 / length, 1e-6);
  EXPECT_EQ(scalar.grad().dtype(), DType::f32);
  EXPECT_NEAR(values(doubles.grad())[1], 1 / length, 1e-6);
  EXPECT_FALSE(none.grad().defined());
  clip_grad_value_({turned, scalar, empty, none, doubles}, 0.25);
  EXPECT_EQ(values(turned.grad())[0], 0.25);
  EXPECT_EQ(scalar.grad().item<double>(), -0.25);
  EXPECT_EQ(clip_grad_norm_(std::vector<Tensor>{}, 1).item<double>(), 0);
  EXPECT_EQ(clip_grad_norm_({none}, 1).item<double>(), 0);
}

TEST(ClipGrad, RefusesLimitsBelowZero) {
  EXPECT_EQ(message_of<ConfigError>([] { clip_grad_norm_(parameters(DType::f32), -1); }),
            "[clip_grad_norm_] expected max_norm of at least 0, got -1");
  EXPECT_THROW(clip_grad_value_(parameters(DType::f32), NAN), ConfigError);
}

struct Trainee {
  Sequential net{Linear(3, 8), ReLU(), Linear(8, 2)};
  Linear unused{2, 2};
  std::vector<Tensor> parameters;
  std::unique_ptr<optim::Optimizer> optimizer;

  Trainee() {
    init_parameters(net, 5);
    init_parameters(unused, 6);
    parameters = net.parameters();
    for (const Tensor& p : unused.parameters()) parameters.push_back(p);
    optimizer = std::make_unique<optim::AdamW>(parameters, optim::AdamWOptions{.lr = 0.05, .weight_decay = 0.1});
  }
  Tensor step(const Tensor& x) {
    optimizer->zero_grad();
    backward(sum(square(net(x))));
    const Tensor length = clip_grad_norm_(parameters, 0.5);
    clip_grad_value_(parameters, 0.2);
    optimizer->step();
    return length;
  }
};

TEST(ClipGrad, IsPartOfACapturedStepAndMovesNoParameterThatNoLossReached) {
  Trainee eager, captured;
  CapturedFunction step([&](std::span<const Tensor> in) { return std::vector{captured.step(in[0])}; });
  const std::string unused = bits(eager.unused.weight);
  for (int i = 0; i < 6; ++i) {
    const Tensor x = randn({4, 3}, {.key = static_cast<std::uint64_t>(i)});
    const Tensor length = eager.step(x);
    EXPECT_GT(length.item<double>(), 0);
    ASSERT_EQ(bits(step({x})[0]), bits(length)) << i;
    for (std::size_t k = 0; k < eager.parameters.size(); ++k)
      ASSERT_EQ(bits(captured.parameters[k]), bits(eager.parameters[k])) << i << " " << k;
  }
  EXPECT_EQ(bits(eager.unused.weight), unused);
}

}  // namespace
}  // namespace hop::nn
