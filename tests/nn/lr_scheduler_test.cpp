// Schedules against the rates of PyTorch, by their names, and as they move an optimizer.
// Long because each schedule has its rates.
#include "nn/optim/lr_scheduler.h"

#include <limits>

#include "nn/optim/adagrad.h"
#include "nn/optim/adam.h"
#include "nn/optim/by_name.h"
#include "nn/optim/scheduler.h"
#include "nn/optim/sgd.h"
#include "tests/nn/training_golden.h"

namespace hop::optim {
namespace {

using namespace nn::testing;

void follow(const char* name, const LRSchedule& schedule) {
  const std::vector<double> expected = values(golden(name));
  for (std::size_t t = 0; t < expected.size(); ++t) {
    EXPECT_NEAR(schedule(static_cast<std::int64_t>(t)), expected[t], 1e-12) << name << " at " << t;
  }
}

TEST(LRSchedule, FollowsPyTorch) {
  follow("step_lr", StepLR{.lr = 0.5, .step_size = 7, .gamma = 0.3});
  follow("cosine_lr", CosineAnnealingLR{.lr = 0.5, .t_max = 24, .eta_min = 0.01});
  follow("constant_lr", ConstantLR{.lr = 0.5, .factor = 0.25, .total_iters = 6});
}

/// The rates of the file at t = 0, 1, .., asked for in their order, and then backwards.
void follow_training(const std::string& name, const LRSchedule& schedule) {
  const std::vector<double> expected = values(training_golden(name));
  ASSERT_GT(expected.size(), 30U);
  const auto count = static_cast<std::int64_t>(expected.size());
  for (std::int64_t i = 0; i < 2 * count; ++i) {
    const std::int64_t t = i < count ? i : 2 * count - 1 - i;
    EXPECT_NEAR(schedule(t), expected[static_cast<std::size_t>(t)], 1e-12) << name << " at " << t;
  }
}

const OneCycleLR kOneCycle{.max_lr = 0.5, .total_steps = 40};
const OneCycleLR kOneCycleLinear{.max_lr = 0.5,
                                 .total_steps = 33,
                                 .pct_start = 0.4,
                                 .anneal = Annealing::linear,
                                 .div_factor = 10,
                                 .final_div_factor = 100,
                                 .base_momentum = 0.7,
                                 .max_momentum = 0.99};
const OneCycleLR kOneCyclePhases{.max_lr = 0.5, .total_steps = 37, .three_phase = true};
const CyclicLR kCyclic{.base_lr = 0.1, .max_lr = 0.5, .step_size_up = 6, .step_size_down = 3};
const CyclicLR kCyclicHalving{.base_lr = 0.1, .max_lr = 0.5, .step_size_up = 4, .mode = CyclicMode::triangular2};
const CyclicLR kCyclicRange{.base_lr = 0.1,
                            .max_lr = 0.5,
                            .step_size_up = 4,
                            .mode = CyclicMode::exp_range,
                            .gamma = 0.95,
                            .base_momentum = 0.6,
                            .max_momentum = 0.95};

TEST(LRSchedule, FollowsAllOfPyTorch) {
  follow_training("multi_step_lr", MultiStepLR{.lr = 0.5, .milestones = {5, 5, 12, 30}, .gamma = 0.3});
  follow_training("linear_lr", LinearLR{.lr = 0.5, .start_factor = 0.2, .end_factor = 0.9, .total_iters = 17});
  follow_training("exponential_lr", ExponentialLR{.lr = 0.5, .gamma = 0.9});
  follow_training("polynomial_lr", PolynomialLR{.lr = 0.5, .total_iters = 30, .power = 1.7});
  follow_training("cosine_restarts_lr", CosineAnnealingWarmRestarts{.lr = 0.5, .t_0 = 9, .eta_min = 0.01});
  follow_training("cosine_restarts_grow_lr",
                  CosineAnnealingWarmRestarts{.lr = 0.5, .t_0 = 3, .t_mult = 2, .eta_min = 0.01});
  follow_training("one_cycle_lr", kOneCycle);
  follow_training("one_cycle_linear_lr", kOneCycleLinear);
  follow_training("one_cycle_phases_lr", kOneCyclePhases);
  follow_training("cyclic_lr", kCyclic);
  follow_training("cyclic_halving_lr", kCyclicHalving);
  follow_training("cyclic_range_lr", kCyclicRange);
  follow_training("lambda_lr",
                  LambdaLR{.lr = 0.5, .lambda = [](std::int64_t t) { return 1 / (1.0 + static_cast<double>(t)); }});
  follow_training("multiplicative_lr",
                  MultiplicativeLR{.lr = 0.5, .lambda = [](std::int64_t t) { return t % 3 != 0 ? 0.9 : 1.1; }});
  follow_training("sequential_lr",
                  SequentialLR{.schedules = {LinearLR{.lr = 0.5, .start_factor = 0.1, .total_iters = 4},
                                             ExponentialLR{.lr = 0.5, .gamma = 0.9},
                                             ConstantLR{.lr = 0.5, .factor = 0.25, .total_iters = 3}},
                               .milestones = {5, 20}});
  follow_training("chained_lr", ChainedScheduler{.lr = 0.5,
                                                 .schedules = {ConstantLR{.lr = 0.5, .factor = 0.1, .total_iters = 5},
                                                               ExponentialLR{.lr = 0.5, .gamma = 0.9},
                                                               StepLR{.lr = 0.5, .step_size = 11, .gamma = 0.5}}});
  follow_training("swa_lr", SWALR{.lr = 0.5, .swa_lr = 0.05});
  follow_training("swa_linear_lr", SWALR{.lr = 0.5, .swa_lr = 0.9, .anneal_epochs = 7, .anneal = Annealing::linear});
  follow_training("swa_at_once_lr", SWALR{.lr = 0.5, .swa_lr = 0.05, .anneal_epochs = 0});
}

TEST(LRSchedule, MovesTheMomentumAsPyTorch) {
  const auto follow_momentum = [](const std::string& name, const auto& schedule) {
    follow_training(name + ".momentum", [&](std::int64_t t) { return schedule.momentum(t); });
  };
  follow_momentum("one_cycle_lr", kOneCycle);
  follow_momentum("one_cycle_linear_lr", kOneCycleLinear);
  follow_momentum("one_cycle_phases_lr", kOneCyclePhases);
  follow_momentum("cyclic_lr", kCyclic);
  follow_momentum("cyclic_halving_lr", kCyclicHalving);
  follow_momentum("cyclic_range_lr", kCyclicRange);
}

TEST(LRSchedule, StaysWhereItEnds) {
  EXPECT_DOUBLE_EQ((OneCycleLR{.max_lr = 1, .total_steps = 10}(1'000'000)), 1 / 25.0 / 1e4);
  EXPECT_DOUBLE_EQ((OneCycleLR{.max_lr = 1, .total_steps = 1}(0)), 1 / 25.0 / 1e4);
  EXPECT_EQ((PolynomialLR{.lr = 1, .total_iters = 3}(1'000'000)), 0);
  EXPECT_EQ((CosineAnnealingWarmRestarts{.lr = 1, .t_0 = 3, .t_mult = std::int64_t{1} << 62}(1'000'002)),
            (CosineAnnealingWarmRestarts{.lr = 1, .t_0 = 3, .t_mult = std::int64_t{1} << 62}(1'000'001)));
  EXPECT_EQ((ChainedScheduler{.lr = 0, .schedules = {ConstantLR{.lr = 0}}}(4)), 0);
  for (const Annealing anneal : {Annealing::cos, Annealing::linear}) {
    const SWALR swa{.lr = 0.3, .swa_lr = 0.1, .anneal_epochs = 3, .anneal = anneal};
    EXPECT_EQ(swa(0), 0.3);
    EXPECT_EQ(swa(3), 0.1);
    EXPECT_EQ(swa(1'000'000), 0.1);
  }
}

TEST(LRSchedule, RefusesSettingsWithoutAValue) {
  EXPECT_EQ(message_of<ConfigError>([] { LinearLR{.total_iters = 0}(1); }),
            "[LinearLR] expected a number of total_iters of at least 1, got 0");
  EXPECT_THROW((PolynomialLR{.total_iters = 0}(1)), ConfigError);
  EXPECT_THROW((CosineAnnealingWarmRestarts{.t_0 = 0}(1)), ConfigError);
  EXPECT_THROW((CosineAnnealingWarmRestarts{.t_mult = 0}(1)), ConfigError);
  EXPECT_THROW((OneCycleLR{.total_steps = 0}(1)), ConfigError);
  EXPECT_THROW((CyclicLR{.step_size_up = 0}(1)), ConfigError);
  EXPECT_DOUBLE_EQ((CyclicLR{.base_lr = 0.1, .step_size_up = std::numeric_limits<std::int64_t>::max()}(0)), 0.1);
  EXPECT_THROW((CyclicLR{.step_size_down = -1}(1)), ConfigError);
  EXPECT_EQ(message_of<ConfigError>([] { SWALR{.anneal_epochs = -1}(1); }),
            "[SWALR] expected anneal_epochs of at least 0, got -1");
  EXPECT_THROW(LambdaLR{}(1), ConfigError);
  EXPECT_THROW(MultiplicativeLR{}(1), ConfigError);
  EXPECT_EQ(message_of<ConfigError>([] { SequentialLR{.schedules = {ConstantLR{}}, .milestones = {3}}(1); }),
            "[SequentialLR] expected ascending milestones, one fewer than schedules, got 1 milestones and 1 schedules");
  EXPECT_THROW((SequentialLR{.schedules = {ConstantLR{}, ConstantLR{}, ConstantLR{}}, .milestones = {4, 3}}(1)),
               ConfigError);
}

TEST(LRSchedule, RefusesNegativeCounts) {
  for (const std::int64_t count : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_THROW((ConstantLR{.total_iters = count}(0)), ConfigError);
    EXPECT_THROW((LinearLR{.total_iters = count}(0)), ConfigError);
    EXPECT_THROW((StepLR{.step_size = count}(0)), ConfigError);
    EXPECT_THROW((PolynomialLR{.total_iters = count}(0)), ConfigError);
    EXPECT_THROW((OneCycleLR{.total_steps = count}(0)), ConfigError);
    EXPECT_THROW((CyclicLR{.step_size_down = count}(0)), ConfigError);
    EXPECT_THROW((SWALR{.anneal_epochs = count}(0)), ConfigError);
    EXPECT_THROW((MultiStepLR{.milestones = {3, count}}(0)), ConfigError);
    EXPECT_THROW((CosineAnnealingLR{.t_max = count}(0)), ConfigError);
    EXPECT_EQ(message_of<ConfigError>([&] { CosineAnnealingLR{.t_max = 4, .warmup = count}(0); }),
              "[CosineAnnealingLR] expected warmup of at least 0, got " + std::to_string(count));
    EXPECT_EQ(message_of<ConfigError>([&] {
                SequentialLR{.schedules = {ConstantLR{}, ConstantLR{}}, .milestones = {count}}(0);
              }),
              "[SequentialLR] expected milestones of at least 0, got " + std::to_string(count));
  }
}

Tensor weight() { return Tensor::from<float>({0}, {1}).set_requires_grad(); }

TEST(LRScheduler, RefusesANegativeCountWhenItIsMade) {
  SGD sgd(std::vector{weight()}, {.lr = 0.5});
  EXPECT_THROW(LRScheduler(sgd, CosineAnnealingLR{.t_max = 4, .warmup = -1}), ConfigError);
  EXPECT_EQ(sgd.lr(), 0.5);
}

TEST(LRScheduler, MovesTheRateAndTheMomentumOfAnOptimizer) {
  SGD sgd(std::vector{weight()}, {.lr = 0.5, .momentum = 0.9});
  LRScheduler scheduler(sgd, kCyclic);
  const std::vector<double> rates = values(training_golden("cyclic_lr")),
                            momenta = values(training_golden("cyclic_lr.momentum"));
  for (std::size_t t = 0; t < rates.size(); ++t) {
    EXPECT_NEAR(sgd.lr(), rates[t], 1e-12) << t;
    EXPECT_EQ(scheduler.last_lr(), sgd.lr());
    EXPECT_NEAR(*sgd.momentum(), momenta[t], 1e-12) << t;
    scheduler.step();
  }
  EXPECT_EQ(scheduler.t(), 40);
  scheduler.go_to(6);
  EXPECT_NEAR(sgd.lr(), 0.5, 1e-12);
}

// Each step is computed from the rate that the optimizer has then: that of the other scheduler, or of somebody else.
TEST(LRScheduler, AnnealsFromTheRateOfTheSchedulerBefore) {
  SGD sgd(std::vector{weight()}, {.lr = 0.5});
  LRScheduler exponential(sgd, ExponentialLR{.lr = 0.5, .gamma = 0.9});
  LRScheduler swa(sgd, SWALR{.swa_lr = 0.05, .anneal_epochs = 8});
  const std::vector<double> rates = values(training_golden("swa_after_exponential_lr"));
  ASSERT_EQ(rates.size(), 40U);
  for (std::size_t t = 0; t < rates.size(); ++t) {
    EXPECT_NEAR(sgd.lr(), rates[t], 1e-12) << t;
    if (t == 16) sgd.set_lr(0.3);
    (t < 12 ? exponential : swa).step();
  }
  EXPECT_EQ(swa.last_lr(), 0.05);
}

TEST(LRScheduler, AnnealsAtOnceAndGoesOnFromAStep) {
  SGD sgd(std::vector{weight()}, {.lr = 0.5});
  const LRScheduler at_once(sgd, SWALR{.swa_lr = 0.125, .anneal_epochs = 0});
  EXPECT_EQ(sgd.lr(), 0.125);
  const SWALR line{.lr = 0.5, .swa_lr = 0.25, .anneal_epochs = 4, .anneal = Annealing::linear};
  LRScheduler resumed(sgd, line);
  EXPECT_EQ(sgd.lr(), 0.125) << "the scheduler begins with the rate of the optimizer";
  resumed.go_to(2);
  EXPECT_EQ(sgd.lr(), 0.375);
  resumed.step();
  EXPECT_EQ(sgd.lr(), 0.3125);
}

TEST(LRScheduler, LeavesTheMomentumAloneWhereItShall) {
  Adam adam(std::vector{weight()}, {.lr = 0.5});
  OneCycleLR schedule = kOneCycle;
  schedule.cycle_momentum = false;
  LRScheduler scheduler(adam, schedule);
  EXPECT_EQ(adam.momentum(), 0.9);
  EXPECT_NEAR(adam.lr(), 0.02, 1e-12);
  LRScheduler decay(adam, [](std::int64_t t) { return 0.5 / (1.0 + static_cast<double>(t)); });
  decay.step();
  EXPECT_EQ(adam.lr(), 0.25);
  Adagrad adagrad(std::vector{weight()}, {.lr = 0.125});
  EXPECT_EQ(message_of<ConfigError>([&] { LRScheduler refused(adagrad, kOneCycle); }),
            "[set_momentum] expected an optimizer with momentum, got one without (momentum 0.95)");
  EXPECT_EQ(adagrad.lr(), 0.125);
}

TEST(ReduceLROnPlateau, FollowsPyTorch) {
  using Options = ReduceLROnPlateauOptions;
  const std::map<std::string, Options> cases = {
      {"plateau", {.patience = 2}},
      {"plateau_max",
       {.mode = Extremum::max,
        .factor = 0.5,
        .patience = 1,
        .threshold = 0.05,
        .threshold_mode = ThresholdMode::abs,
        .cooldown = 3}},
      {"plateau_bounds", {.factor = 0.3, .patience = 0, .threshold = 0.1, .min_lr = 0.01, .eps = 1e-3}},
      {"plateau_abs", {.factor = 0.5, .patience = 1, .threshold = 0.1, .threshold_mode = ThresholdMode::abs}},
      {"plateau_max_rel", {.mode = Extremum::max, .factor = 0.5, .patience = 3, .threshold = 0.2}}};
  const std::vector<double> metrics = values(training_golden("plateau.metrics"));
  for (const auto& [name, options] : cases) {
    SGD sgd(std::vector{weight()}, {.lr = 0.5});
    const std::vector<double> rates = values(training_golden(name));
    ReduceLROnPlateau::State state;
    if (options.mode == Extremum::max) state.best = -state.best;
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      ReduceLROnPlateau scheduler(sgd, options);  // a new one that goes on from the state of the one before
      scheduler.set_state(state);
      const double before = sgd.lr();
      const bool is_lowered = scheduler.step(metrics[i]);
      EXPECT_EQ(is_lowered, sgd.lr() < before);
      EXPECT_NEAR(sgd.lr(), rates[i], 1e-12) << name << " " << i;
      state = scheduler.state();
    }
  }
}

TEST(ReduceLROnPlateau, RefusesOptionsOutOfRange) {
  SGD sgd(std::vector{weight()});
  EXPECT_EQ(message_of<ConfigError>([&] { ReduceLROnPlateau plateau(sgd, {.factor = 1}); }),
            "[ReduceLROnPlateau] expected factor of at least 0 and below 1, got 1");
  EXPECT_THROW(ReduceLROnPlateau(sgd, {.patience = -1}), ConfigError);
}

TEST(LRSchedule, WarmsUpLinearlyBeforeTheCosine) {
  const CosineAnnealingLR schedule{.lr = 1, .t_max = 12, .eta_min = 0.1, .warmup = 4};
  EXPECT_DOUBLE_EQ(schedule(0), 0.25);
  EXPECT_DOUBLE_EQ(schedule(3), 1);
  EXPECT_DOUBLE_EQ(schedule(4), 1);
  EXPECT_NEAR(schedule(8), 0.55, 1e-12);
  EXPECT_DOUBLE_EQ(schedule(12), 0.1);
  EXPECT_DOUBLE_EQ(schedule(1'000'000), 0.1);
}

TEST(LRSchedule, IsFoundByName) {
  EXPECT_DOUBLE_EQ(make_lr_schedule({{"lr", "0.2"}}, 10)(7), 0.2);
  EXPECT_DOUBLE_EQ(make_lr_schedule({{"lr", "0.2"}, {"schedule", "step"}, {"step_size", "2"}}, 10)(5), 0.2 * 0.1 * 0.1);
  EXPECT_DOUBLE_EQ(make_lr_schedule({{"lr", "0.2"}, {"schedule", "cosine"}, {"warmup", "2"}}, 10)(10), 0);
  EXPECT_EQ(message_of<ConfigError>([] {
              make_lr_schedule({{"schedule", "cosinus"}}, 10);
            }),
            "[config] schedule: unknown value \"cosinus\"; did you mean \"cosine\"?");
  EXPECT_THROW(make_lr_schedule({{"schedule", "step"}, {"step_size", "0"}}, 10), ConfigError);
  EXPECT_THROW((StepLR{.step_size = 0}(1)), ConfigError);
}

TEST(ScheduleByName, KnowsAllThatAreFunctionsOfTheStep) {
  const auto expect_same = [](const nn::ConfigText& config, const LRSchedule& schedule) {
    const LRSchedule made = make_lr_schedule(config, 40);
    for (std::int64_t t = 0; t < 45; ++t) EXPECT_EQ(made(t), schedule(t)) << config.at("schedule") << " " << t;
  };
  expect_same({{"schedule", "multi_step"}, {"lr", "0.5"}, {"milestones", "5,12,30"}},
              MultiStepLR{.lr = 0.5, .milestones = {5, 12, 30}});
  expect_same({{"schedule", "linear"}, {"lr", "0.5"}, {"total_iters", "7"}}, LinearLR{.lr = 0.5, .total_iters = 7});
  expect_same({{"schedule", "exponential"}, {"lr", "0.5"}, {"gamma", "0.9"}}, ExponentialLR{.lr = 0.5, .gamma = 0.9});
  expect_same({{"schedule", "polynomial"}, {"lr", "0.5"}, {"power", "2"}},
              PolynomialLR{.lr = 0.5, .total_iters = 40, .power = 2});
  expect_same({{"schedule", "cosine_restarts"}, {"lr", "0.5"}, {"t_0", "3"}, {"t_mult", "2"}},
              CosineAnnealingWarmRestarts{.lr = 0.5, .t_0 = 3, .t_mult = 2});
  expect_same({{"schedule", "one_cycle"}, {"lr", "0.5"}}, kOneCycle);
  expect_same({{"schedule", "one_cycle"}, {"lr", "0.5"}, {"anneal", "linear"}, {"three_phase", "true"}},
              OneCycleLR{.max_lr = 0.5, .total_steps = 40, .anneal = Annealing::linear, .three_phase = true});
  expect_same({{"schedule", "cyclic"},
               {"lr", "0.1"},
               {"max_lr", "0.5"},
               {"step_size_up", "4"},
               {"mode", "exp_range"},
               {"gamma", "0.95"}},
              kCyclicRange);
}

TEST(ScheduleByName, SaysWhatItNeeds) {
  EXPECT_EQ(message_of<ConfigError>([] {
              make_lr_schedule({{"schedule", "cyclic"}}, 10);
            }),
            "[schedule] max_lr: schedule = \"cyclic\" needs it, got none");
  EXPECT_THROW(make_lr_schedule({{"schedule", "exponential"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"schedule", "cosine_restarts"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"schedule", "multi_step"}}, 10), ConfigError);
  for (const char* milestones : {"", "5,", "5, 6", "0", "-3", "5;6", "5,x"}) {
    EXPECT_EQ(message_of<ConfigError>([&] {
                make_lr_schedule({{"schedule", "multi_step"}, {"milestones", milestones}}, 10);
              }),
              "[schedule] milestones: expected steps of at least 1 with commas between, as in \"30,80\", got \"" +
                  std::string(milestones) + "\"");
  }
  EXPECT_EQ(message_of<ConfigError>([] {
              make_lr_schedule({{"schedule", "cyclic"}, {"max_lr", "1"}, {"mode", "sine"}}, 10);
            }),
            "[schedule] mode: expected \"triangular\", \"triangular2\" or \"exp_range\", got \"sine\"");
  EXPECT_THROW(make_lr_schedule({{"schedule", "one_cycle"}, {"anneal", "sine"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"schedule", "one_cycle"}, {"pct_start", "1.5"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"schedule", "one_cycle"}, {"div_factor", "0"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"schedule", "exponential"}, {"gamma", "1e200"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"schedule", "linear"}, {"end_factor", "1e308"}, {"lr", "1e3"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"schedule", "polynomial"}, {"power", "-1"}}, 10), ConfigError);
}

// A schedule that leaves its range late is refused where it is made, and is no fault of a model in the middle of a run.
TEST(ScheduleByName, KeepsItsRatesInTheirRange) {
  EXPECT_THROW(make_lr_schedule({{"lr", "-1"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"lr", "nan"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"schedule", "cosine"}, {"eta_min", "-1"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"schedule", "step"}, {"gamma", "-0.5"}}, 10), ConfigError);
  EXPECT_THROW(make_lr_schedule({{"schedule", "step"}, {"gamma", "1e200"}}, 10), ConfigError);
  EXPECT_DOUBLE_EQ(make_lr_schedule({{"schedule", "step"}, {"gamma", "2"}}, 10)(3), 8e-3);
}

}  // namespace
}  // namespace hop::optim
