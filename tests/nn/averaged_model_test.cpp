// Averages of a model's weights against PyTorch's AveragedModel.
#include "nn/optim/averaged_model.h"

#include "kernels/capture.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/training_golden.h"

namespace hop::optim {
namespace {

using namespace nn::testing;

void set(const nn::Linear& model, const Tensor& weight) {
  const NoGradGuard no_grad;
  copy_(model.weight, weight);
}

void follow(const std::string& name, AveragedModelOptions options, DType dtype, double tolerance) {
  nn::Linear model(3, 2, {.bias = false, .dtype = dtype});
  set(model, kernels::full({2, 3}, 7.0, dtype));  // the weights at the start do not count
  AveragedModel average(model, options);
  const Tensor moments = training_golden("average.moments"), expected = training_golden("average." + name);
  for (std::int64_t i = 0; i < 5; ++i) {
    set(model, select(moments, 0, i));
    average.update_parameters(model);
    expect_close(average.module().weight, select(expected, 0, i), tolerance, name + " " + std::to_string(i));
    expect_close(model.weight, select(moments, 0, i), tolerance);
  }
  EXPECT_EQ(average.n_averaged().item<std::int64_t>(), 5);
}

TEST(AveragedModel, FollowsPyTorch) {
  follow("ema", {.decay = 0.9}, DType::f64, 1e-14);
  follow("ema", {.decay = 0.9}, DType::f32, 1e-6);
  follow("swa", {}, DType::f64, 1e-14);
  follow("swa", {}, DType::f32, 1e-6);
}

// The fused pass has the bits of the operations one by one.
TEST(AveragedModel, HasTheBitsOfLerpAndOfTheMean) {
  const NoGradGuard no_grad;
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::optional<double> decay : {std::optional<double>(), std::optional(0.3), std::optional(0.999)}) {
      nn::Linear model(7, 5, {.bias = false, .dtype = dtype});
      AveragedModel average(model, {.decay = decay});
      Tensor expected;
      for (int n = 1; n <= 4; ++n) {
        const Tensor now = to(randn({5, 7}, {.key = static_cast<std::uint64_t>(n)}), dtype);
        set(model, now);
        average.update_parameters(model);
        if (n == 1)
          expected = now;
        else
          expected = decay ? lerp(expected, now, 1 - *decay) : expected + (now - expected) / static_cast<double>(n);
        ASSERT_EQ(bits(average.module().weight), bits(expected)) << n;
      }
    }
  }
}

/// A scale without dimensions, beside a matrix.
struct Scaled : nn::Module {
  nn::Parameter scale = register_parameter("scale", kernels::zeros({}));
};

TEST(AveragedModel, AveragesAParameterWithoutDimensions) {
  const NoGradGuard no_grad;
  Scaled model;
  AveragedModel mean(model), moving(model, {.decay = 0.75});
  double sum = 0, expected = 0;
  for (int n = 1; n <= 3; ++n) {
    kernels::fill_(model.scale, 0.5 * n * n);
    sum += 0.5 * n * n;
    expected = n == 1 ? 0.5 : expected + 0.25 * (0.5 * n * n - expected);
    mean.update_parameters(model);
    moving.update_parameters(model);
    EXPECT_NEAR(mean.module().scale.item<float>(), sum / n, 1e-6);
    EXPECT_FLOAT_EQ(moving.module().scale.item<float>(), static_cast<float>(expected));
  }
  EXPECT_EQ(mean.n_averaged().item<std::int64_t>(), 3);
}

TEST(AveragedModel, CopiesBuffersOrAveragesThem) {
  nn::BatchNorm1d model(2);
  nn::init_parameters(model, 1);
  AveragedModel copies(model), averages(model, {.use_buffers = true});
  for (const float value : {1.0F, 2.0F, 6.0F}) {
    copy_(model.running_mean, Tensor::from<float>({value, -value}, {2}));
    fill_(model.num_batches_tracked, static_cast<std::int64_t>(value));
    copies.update_parameters(model);
    averages.update_parameters(model);
  }
  EXPECT_THAT(values(copies.module().running_mean), ::testing::ElementsAre(6, -6));
  EXPECT_NEAR(values(averages.module().running_mean)[0], 3, 1e-6);
  EXPECT_NEAR(values(averages.module().running_mean)[1], -3, 1e-6);
  EXPECT_EQ(averages.module().num_batches_tracked.item<std::int64_t>(), 6);
}

TEST(AveragedModel, IsUpdatedByACapturedStep) {
  for (const std::optional<double> decay : {std::optional<double>(0.8), std::optional<double>()}) {
    nn::Linear model(3, 2);
    nn::init_parameters(model, 1);
    AveragedModel eager(model, {.decay = decay}), captured(model, {.decay = decay});
    RecordedWork work;
    for (int i = 0; i < 6; ++i) {
      set(model, randn({2, 3}, {.key = static_cast<std::uint64_t>(i)}));
      eager.update_parameters(model);
      if (work.replay() == nullptr)
        work.run([&] { return captured.update_parameters(model), RecordedWork::Results(); }, {});
      ASSERT_EQ(bits(captured.module().weight), bits(eager.module().weight)) << i;
    }
    EXPECT_EQ(work.recordings(), 1U);
    EXPECT_EQ(captured.n_averaged().item<std::int64_t>(), 6);
  }
}

TEST(AveragedModel, RefusesAnotherModelAndADecayOutOfRange) {
  nn::Linear model(3, 2);
  nn::init_parameters(model, 1);
  AveragedModel average(model);
  EXPECT_EQ(message_of<StateError>([&] { average.update_parameters(nn::Linear(4, 2)); }),
            "[AveragedModel] expected \"weight\" (2, 3), got \"weight\" (2, 4)");
  EXPECT_EQ(message_of<StateError>([&] { average.update_parameters(nn::Linear(3, 2, {.bias = false})); }),
            "[AveragedModel] expected a model with 2 tensors of a kind, got one with 1");
  EXPECT_EQ(message_of<ConfigError>([&] { AveragedModel refused(model, {.decay = 1.5}); }),
            "[AveragedModel] expected a decay in 0..1, got 1.5");
}

}  // namespace
}  // namespace hop::optim
