// ReduceLROnPlateau whose memory travels in a state block, and the parameters that the weight decay leaves alone.
#include "nn/optim/carried_plateau.h"

#include <algorithm>
#include <limits>

#include "kernels/copy.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/optim/by_name.h"
#include "nn/optim/no_decay.h"
#include "nn/optim/sgd.h"
#include "nn/state.h"
#include "tests/nn/training_golden.h"

namespace hop::optim {
namespace {

using namespace nn::testing;

// After each epoch the state goes to another model, as it does in a run.
TEST(CarriedPlateau, FollowsPyTorchWhileItsStateTravels) {
  const std::map<std::string, ReduceLROnPlateauOptions> cases = {
      {"plateau", {.patience = 2}},
      {"plateau_max",
       {.mode = Extremum::max,
        .factor = 0.5,
        .patience = 1,
        .threshold = 0.05,
        .threshold_mode = ThresholdMode::abs,
        .cooldown = 3}},
      {"plateau_bounds", {.factor = 0.3, .patience = 0, .threshold = 0.1, .min_lr = 0.01, .eps = 1e-3}},
      {"plateau_max_rel", {.mode = Extremum::max, .factor = 0.5, .patience = 3, .threshold = 0.2}}};
  const std::vector<double> metrics = values(training_golden("plateau.metrics"));
  for (const auto& [name, options] : cases) {
    nn::Linear models[2] = {{2, 1}, {2, 1}};
    SGD first(models[0].named_parameters(), {.lr = 7}), second(models[1].named_parameters(), {.lr = 9});
    CarriedPlateau plateaus[2] = {{first, options}, {second, options}};
    nn::StateBlock blocks[2] = {nn::StateBlock(models[0], &first), nn::StateBlock(models[1], &second)};
    const std::vector<double> rates = values(training_golden(name));
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      CarriedPlateau& here = plateaus[i % 2];
      const double before = here.rate(0.5);
      const bool is_lowered = here.step(metrics[i], 0.5);
      EXPECT_EQ(is_lowered, here.rate(0.5) < before) << name << " " << i;
      EXPECT_NEAR(here.rate(0.5), rates[i], 1e-12) << name << " " << i;
      const nn::StateBytes bytes = blocks[(i + 1) % 2].make_bytes();
      std::ranges::copy(blocks[i % 2].bytes(), bytes->data());
      blocks[(i + 1) % 2].load(bytes);
    }
  }
}

TEST(CarriedPlateau, BeginsWithNoBestMetricAndNeverTakesNaNForBetter) {
  const Tensor w = zeros({1}).set_requires_grad();
  SGD sgd(std::vector{w}, {.lr = 0.5});
  CarriedPlateau plateau(sgd, {.factor = 0.5, .patience = 1});
  EXPECT_EQ(plateau.rate(0.5), 0.5);
  EXPECT_FALSE(plateau.step(std::numeric_limits<double>::quiet_NaN(), 0.5));
  EXPECT_TRUE(plateau.step(std::numeric_limits<double>::quiet_NaN(), 0.5));
  EXPECT_EQ(plateau.rate(0.5), 0.25);
  EXPECT_EQ(plateau.rate(8), 4);
  EXPECT_THROW(plateau.set_options({.factor = 1}), ConfigError);
  EXPECT_THROW(CarriedPlateau(sgd, {}), ConfigError);  // it has one
}

// A file may hold any count of lowerings, and a search may choose any lr.
TEST(CarriedPlateau, NeverRaisesARate) {
  const Tensor w = zeros({1}).set_requires_grad();
  SGD sgd(std::vector{w}, {.lr = 0.5});
  CarriedPlateau plateau(sgd, {.factor = 0.5, .patience = 0, .min_lr = 0.2});
  EXPECT_FALSE(plateau.step(1, 0.5));
  EXPECT_TRUE(plateau.step(1, 0.5));
  EXPECT_EQ(plateau.rate(0.5), 0.25);
  EXPECT_EQ(plateau.rate(0.3), 0.2);
  EXPECT_EQ(plateau.rate(0.1), 0.1);
}

TEST(SchedulesByName, TellWhichCountSteps) {
  EXPECT_FALSE(counts_steps({}));
  EXPECT_FALSE(counts_steps({{"factor", "0.5"}})) << "a number of a layer";
  EXPECT_FALSE(counts_steps({{"schedule", "constant"}}));
  EXPECT_FALSE(counts_steps({{"schedule", "plateau"}, {"factor", "0.5"}}));
  EXPECT_TRUE(counts_steps({{"schedule", "constant"}, {"factor", "0.5"}}));
  for (const char* name : {"cosine", "step", "linear"}) EXPECT_TRUE(counts_steps({{"schedule", name}}));
}

TEST(PlateauByName, ReadsItsOptionsFromText) {
  EXPECT_FALSE(plateau_options({{"schedule", "cosine"}}, Extremum::min).has_value());
  const auto defaults = plateau_options({{"schedule", "plateau"}}, Extremum::max);
  ASSERT_TRUE(defaults.has_value());
  EXPECT_EQ(defaults->mode, Extremum::max);
  EXPECT_EQ(defaults->factor, 0.1);
  EXPECT_EQ(defaults->patience, 10);
  EXPECT_EQ(defaults->threshold, 1e-4);
  EXPECT_EQ(defaults->threshold_mode, ThresholdMode::rel);
  const nn::ConfigText text = {
      {"schedule", "plateau"}, {"factor", "0.5"},   {"patience", "0"}, {"threshold", "0.25"},
      {"cooldown", "3"},       {"min_lr", "0.125"}, {"lr", "2"},       {"threshold_mode", "abs"}};
  const auto options = plateau_options(text, Extremum::min);
  EXPECT_EQ(options->factor, 0.5);
  EXPECT_EQ(options->patience, 0);
  EXPECT_EQ(options->threshold, 0.25);
  EXPECT_EQ(options->threshold_mode, ThresholdMode::abs);
  EXPECT_EQ(options->cooldown, 3);
  EXPECT_EQ(options->min_lr, 0.125);
  EXPECT_EQ(make_lr_schedule(text, 10)(7), 2);
  EXPECT_EQ(message_of<ConfigError>([] {
              make_lr_schedule({{"schedule", "plateau"}, {"factor", "1"}}, 10);
            }),
            "[schedule] expected factor of at least 0 and below 1, got 1");
  EXPECT_EQ(message_of<ConfigError>([] {
              make_lr_schedule({{"schedule", "plateau"}, {"threshold_mode", "both"}}, 10);
            }),
            "[schedule] threshold_mode: expected \"rel\" or \"abs\", got \"both\"");
}

TEST(ScheduleByName, OfAConstantRateMayBeginWithAFactor) {
  const LRSchedule plain = make_lr_schedule({{"lr", "0.5"}}, 100);
  const LRSchedule warm =
      make_lr_schedule({{"lr", "0.5"}, {"schedule", "constant"}, {"factor", "0.25"}, {"total_iters", "3"}}, 100);
  const LRSchedule unnamed = make_lr_schedule({{"lr", "0.5"}, {"factor", "0.25"}}, 100);  // a layer's own factor
  for (std::int64_t t = 0; t < 10; ++t) {
    EXPECT_EQ(plain(t), 0.5);
    EXPECT_EQ(unnamed(t), 0.5);
    EXPECT_EQ(warm(t), t < 3 ? 0.125 : 0.5) << t;
  }
  EXPECT_THROW(make_lr_schedule({{"schedule", "constant"}, {"factor", "-1"}}, 100), ConfigError);
}

class Block final : public nn::Module {
 public:
  nn::Linear in = register_module("in", nn::Linear(4, 4));
  nn::LayerNorm norm = register_module("norm", nn::LayerNorm(Shape{4}));
  nn::LSTM lstm = register_module("lstm", nn::LSTM(4, 3));
  nn::Embedding words = register_module("words", nn::Embedding(5, 4));
  nn::BatchNorm1d batches = register_module("batches", nn::BatchNorm1d(4));
  Tensor forward(const Tensor& x) override { return in(x); }
};

TEST(NoDecay, LeavesNormsAndBiasesAlone) {
  Block block;
  EXPECT_THAT(parameters_without_decay(block),
              ::testing::UnorderedElementsAre("in.bias", "norm.weight", "norm.bias", "lstm.bias_ih_l0",
                                              "lstm.bias_hh_l0", "batches.weight", "batches.bias"));
  AdamW adamw(block.named_parameters(), {.weight_decay = 0.5});
  keep_from_decay(adamw, block);
  for (const ParameterSegment& segment : adamw.segments()) {
    const bool decays = segment.name == "in.weight" || segment.name == "words.weight" ||
                        segment.name == "lstm.weight_ih_l0" || segment.name == "lstm.weight_hh_l0";
    EXPECT_EQ(segment.weight_decay_scale, decays ? 1 : 0) << segment.name;
  }
}

}  // namespace
}  // namespace hop::optim
