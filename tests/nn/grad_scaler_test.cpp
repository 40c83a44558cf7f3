// GradScaler in captured steps, in the state block, beside another flag, and out of turn. PyTorch's trajectories are in
// golden_precision_test.cpp.
#include "nn/optim/grad_scaler.h"

#include "autograd/graph.h"
#include "kernels/capture.h"
#include "nn/clip_grad.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/optim/sgd.h"
#include "nn/state.h"
#include "tests/nn/support.h"

namespace hop::optim {
namespace {

using namespace nn::testing;

/// A layer whose loss is multiplied by `factor`, an argument: 1, or infinite.
struct Scaled {
  nn::Linear fc{3, 2};
  std::unique_ptr<Adam> adam;
  std::unique_ptr<GradScaler> scaler;
  std::unique_ptr<nn::StateBlock> block;

  explicit Scaled(const GradScalerOptions& options = {.init_scale = 256, .growth_interval = 2}) {
    nn::init_parameters(fc, 5);
    adam = std::make_unique<Adam>(fc.named_parameters(), AdamOptions{.lr = 0.01});
    scaler = std::make_unique<GradScaler>(*adam, options);
    block = std::make_unique<nn::StateBlock>(fc, adam.get());
  }

  Tensor step(const Tensor& x, const Tensor& factor) {
    adam->zero_grad();
    const Tensor loss = sum(square(fc(x)));
    backward(scaler->scale(loss) * factor);
    scaler->unscale_();
    nn::clip_grad_value_(fc, 0.5);
    scaler->step();
    scaler->update();
    return loss.detach();
  }
};

const Tensor kX = Tensor::from<float>({1, -2, 0.5F, 3, 1, -1}, {2, 3});
Tensor factor_of(int i) { return full({}, i % 4 == 2 ? HUGE_VAL : 1.0); }

TEST(GradScaler, ChangesNothingButTheScaleWhereAGradientIsInfinite) {
  Scaled model;
  model.step(kX, factor_of(0));
  const std::string weights = bits(model.fc.weight), moments = bits(model.adam->segments()[0].slots[0]);
  model.step(kX, factor_of(2));
  EXPECT_EQ(bits(model.fc.weight), weights);
  EXPECT_EQ(bits(model.adam->segments()[0].slots[0]), moments);
  EXPECT_EQ(model.adam->step_count(), 1);
  EXPECT_EQ(model.scaler->get_scale(), 128);
  model.step(kX, factor_of(0));
  EXPECT_NE(bits(model.fc.weight), weights);
}

TEST(GradScaler, WithAPowerOfTwoGivesTheBitsOfNoScaler) {
  Scaled scaled({.init_scale = 1024, .growth_interval = 2}), plain({.enabled = false});
  for (int i = 0; i < 6; ++i) {
    scaled.step(kX, factor_of(0));
    plain.step(kX, factor_of(0));
    EXPECT_EQ(bits(scaled.fc.weight), bits(plain.fc.weight)) << i;
  }
  EXPECT_EQ(scaled.scaler->get_scale(), 8192);
  EXPECT_EQ(plain.scaler->get_scale(), 1);
  EXPECT_FALSE(plain.scaler->is_enabled());
  for (const nn::NamedTensor& entry : plain.adam->state()) EXPECT_FALSE(entry.name.starts_with("grad_scaler"));
}

TEST(GradScaler, GivesTheSameBitsInACapturedStep) {
  Scaled eager, captured;
  CapturedFunction step([&](std::span<const Tensor> in) { return std::vector{captured.step(in[0], in[1])}; });
  for (int i = 0; i < 12; ++i) {
    const Tensor loss = eager.step(kX, factor_of(i));
    EXPECT_EQ(bits(step({kX, factor_of(i)})[0]), bits(loss)) << i;
    ASSERT_EQ(captured.block->digest(), eager.block->digest()) << i;
  }
  EXPECT_EQ(step.combinations(), 1U);
  EXPECT_EQ(captured.adam->step_count(), 9);
}

TEST(GradScaler, TravelsInTheStateBlock) {
  Scaled a, b, whole;
  for (int i = 0; i < 7; ++i) whole.step(kX, factor_of(i));
  for (int i = 0; i < 4; ++i) a.step(kX, factor_of(i));
  const auto& segments = a.block->layout().segments;
  EXPECT_EQ(segments[segments.size() - 2].name, "optimizer.grad_scaler.scale");
  EXPECT_EQ(segments.back().name, "optimizer.grad_scaler.growth_tracker");
  b.block->load(a.block->save().wait());
  b.block->settle();
  EXPECT_EQ(b.scaler->get_scale(), a.scaler->get_scale());
  for (int i = 4; i < 7; ++i) b.step(kX, factor_of(i));
  EXPECT_EQ(b.block->digest(), whole.block->digest());
}

TEST(GradScaler, ObeysTheFlagThatTheOptimizerHad) {
  Scaled model;
  const Tensor stop = full({}, 0.0, DType::f64);
  model.adam->stop_when(stop);
  model.step(kX, factor_of(0));
  EXPECT_EQ(model.adam->step_count(), 1);
  fill_(stop, 1);
  const std::string state = bits(model.fc.weight);
  for (int i = 0; i < 3; ++i) model.step(kX, factor_of(i));
  EXPECT_EQ(bits(model.fc.weight), state);
  EXPECT_EQ(model.adam->step_count(), 1);
  EXPECT_EQ(model.scaler->get_scale(), 256) << "a step that was stopped says nothing about the scale";
  fill_(stop, 0);
  model.step(kX, factor_of(0));
  EXPECT_EQ(model.adam->step_count(), 2);
}

TEST(GradScaler, LeavesTheOptimizerAsItWasWhenItDies) {
  const Tensor w = full({2}, 1).set_requires_grad();
  Adam adam({w}, {.lr = 0.1});
  const auto step_alone = [&] {
    adam.zero_grad();
    backward(sum(w));
    adam.step();
    return adam.step_count();
  };
  const auto overflow = [&](GradScaler& scaler) {
    adam.zero_grad();
    backward(scaler.scale(sum(w)) * HUGE_VAL);
    scaler.step();
  };
  {
    GradScaler scaler(adam);
    overflow(scaler);
    scaler.update();
    EXPECT_EQ(adam.step_count(), 0);
    EXPECT_EQ(step_alone(), 1) << "beside a scaler that lives";
    overflow(scaler);  // and no update()
  }
  EXPECT_FALSE(adam.stop_flag().defined());
  EXPECT_EQ(step_alone(), 2);
  for (const nn::NamedTensor& entry : adam.state()) EXPECT_FALSE(entry.name.starts_with("grad_scaler"));
  EXPECT_NO_THROW(GradScaler{adam}) << "a second scaler, after the first one";

  const Tensor stop = full({}, 0.0, DType::f64);
  adam.stop_when(stop);
  {
    GradScaler scaler(adam);
    overflow(scaler);
    scaler.update();
    EXPECT_EQ(step_alone(), 3);
    overflow(scaler);
  }
  EXPECT_TRUE(adam.stop_flag().is_same(stop));
  EXPECT_EQ(step_alone(), 4);
  fill_(stop, 1);
  EXPECT_EQ(step_alone(), 4) << "the flag is obeyed again";
}

TEST(GradScaler, LeavesAFlagAloneThatIsNotItsOwn) {
  const Tensor w = full({2}, 1).set_requires_grad(), stop = full({}, 0.0, DType::f64);
  SGD sgd({w}, {.lr = 0.1});
  {
    GradScaler scaler(sgd);
    backward(scaler.scale(sum(w)));
    scaler.step();
    scaler.update();
    sgd.stop_when(stop);
  }
  EXPECT_TRUE(sgd.stop_flag().is_same(stop));
}

TEST(GradScaler, RefusesAStepWithoutAGradient) {
  const Tensor w = full({2}, 1).set_requires_grad();
  SGD sgd({w}, {.lr = 0.5});
  GradScaler scaler(sgd, {.init_scale = 4, .growth_interval = 1});
  EXPECT_THAT([&] { scaler.step(); }, ::testing::ThrowsMessage<StateError>(
                                          ::testing::HasSubstr("[GradScaler::step] expected a gradient, got none")));
  scaler.unscale_();
  EXPECT_THROW(scaler.step(), StateError);
  EXPECT_THROW(scaler.update(), StateError);
  EXPECT_EQ(scaler.get_scale(), 4);
  EXPECT_EQ(sgd.step_count(), 0);
  backward(scaler.scale(sum(w)));
  scaler.step();
  scaler.update();
  EXPECT_EQ(values(w), (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(scaler.get_scale(), 8);
}

TEST(GradScaler, IsPartOfTheOptimizersState) {
  const Tensor w = full({2}, 1).set_requires_grad();
  Adam adam({w}, {.lr = 0.1});
  const nn::StateDict plain = adam.state();
  GradScaler scaler(adam);
  EXPECT_THROW(adam.load_state(plain), StateError);
  Adam other({w}, {.lr = 0.1});
  EXPECT_THROW(other.load_state(adam.state()), StateError);
}

TEST(GradScaler, LeavesAParameterAloneThatNoLossReached) {
  const Tensor used = full({2}, 1).set_requires_grad(), unused = full({2}, 1).set_requires_grad();
  SGD sgd({used, unused}, {.lr = 0.1, .weight_decay = 0.5});
  GradScaler scaler(sgd);
  sgd.zero_grad();
  backward(scaler.scale(sum(used)));
  scaler.step();
  EXPECT_EQ(values(unused), (std::vector<double>{1, 1}));
  EXPECT_NE(values(used), (std::vector<double>{1, 1}));
}

TEST(GradScaler, RefusesCallsOutOfTurnAndWrongOptions) {
  const Tensor w = full({2}, 1).set_requires_grad();
  SGD sgd({w}, {.lr = 0.1});
  GradScaler scaler(sgd);
  backward(sum(w));
  EXPECT_THROW(scaler.update(), StateError);
  scaler.unscale_();
  EXPECT_THROW(scaler.unscale_(), StateError);
  scaler.step();
  EXPECT_THROW(scaler.step(), StateError);
  EXPECT_THROW(scaler.unscale_(), StateError);
  scaler.update();
  EXPECT_NO_THROW(scaler.step());
  EXPECT_THROW(GradScaler{sgd}, ConfigError) << "it has one";
  SGD other({w}, {.lr = 0.1});
  for (const GradScalerOptions& wrong :
       {GradScalerOptions{.init_scale = 0}, GradScalerOptions{.init_scale = 1e39}, GradScalerOptions{.init_scale = NAN},
        GradScalerOptions{.growth_factor = 1}, GradScalerOptions{.backoff_factor = 1},
        GradScalerOptions{.backoff_factor = 0}, GradScalerOptions{.growth_interval = 0}}) {
    EXPECT_THROW(GradScaler(other, wrong), ConfigError);
  }
}

TEST(Optimizer, RefusesParametersOf16Bits) {
  const Tensor w = kernels::full({2}, 1, DType::bf16);
  w.set_requires_grad();
  EXPECT_THAT([&] { SGD({w}, {.lr = 0.1}); },
              ::testing::ThrowsMessage<DtypeError>(::testing::HasSubstr("compute under AutocastGuard")));
}

}  // namespace
}  // namespace hop::optim
