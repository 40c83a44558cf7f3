#include "nn/optim/lr_scheduler.h"
#include "nn/optim/by_name.h"
#include "tests/nn/support.h"

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
