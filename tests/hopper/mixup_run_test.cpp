// Runs with mixup: the same bits on every way to a state, and the bits of a run without it where it is off.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"
#include "hopper/build_model.h"
#include "hopper/run.h"
#include "hopper/trainer.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/hashes.h"
#include "tests/hopper/same_bits.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

class MixupRun : public OnGlyphs<320, 4> {
 protected:
  static Experiment experiment(double mixup) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 16", "relu", "linear 10"};
    e.model.mixup = mixup;
    e.search.epochs = 2;
    e.search.space = {{"lr", Choices{0.01, 0.001}},
                      {"batch_size", Choices{std::int64_t{24}}},  // partitions of 80 rows: a last batch of 8
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.workers = 2;
    return e;
  }
};

TEST_F(MixupRun, HasTheSameBitsForAnyNumberOfWorkersRecordedOrNot) {
  expect_the_same_bits_however_it_runs(experiment(0.4), *folder_ / "two");
}

TEST_F(MixupRun, KilledResumesToTheSameBits) {
  expect_the_same_bits_after_a_kill(experiment(0.4), *folder_ / "killed", 3);
}

TEST_F(MixupRun, IsOffByDefaultAndAtZero) {
  Experiment plain = experiment(0);
  plain.model.mixup = ModelOptions{}.mixup;
  const auto right = hashes(run(plain).results);
  EXPECT_THAT(to_toml(plain), Not(HasSubstr("mixup")));
  Experiment read = parse_experiment(to_toml(plain), "e.toml", std::vector<std::string>{"model.mixup=0"});
  EXPECT_EQ(hashes(run(read).results), right);
  EXPECT_NE(hashes(run(experiment(0.4)).results), right);
  EXPECT_NE(hashes(run(experiment(0.4)).results), hashes(run(experiment(0.5)).results));
}

// One batch of all rows: the first loss is that of the initial weights, on mixtures or on rows.
TEST_F(MixupRun, ValidatesOnRowsAsTheyAre) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Experiment mixed = experiment(0.4), plain = experiment(0);
  const Config config = {{"lr", 0.01}, {"batch_size", std::int64_t{80}}, {"optimizer", std::string("sgd")}};
  Trainer a(mixed, ModelId(0), config, data), b(plain, ModelId(0), config, data);
  a.initialize();
  b.initialize();
  UnitMetrics of_a, of_b;
  a.validate(data.validation(), of_a);
  b.validate(data.validation(), of_b);
  EXPECT_EQ(of_a.valid_loss, of_b.valid_loss);
  const double loss = a.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0)).train_loss;
  EXPECT_NE(loss, b.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0)).train_loss);
  EXPECT_TRUE(std::isfinite(loss));
}

TEST_F(MixupRun, ReadsChecksAndWritesItsKey) {
  const Experiment e = experiment(0.25);
  EXPECT_THAT(to_toml(e), HasSubstr("\nmixup = 0.25\n"));
  EXPECT_EQ(parse_experiment(to_toml(e), "e.toml").model.mixup, 0.25);
  for (const char* bad : {"model.mixup=-0.5", "model.mixup=1001", "model.mixup=\"yes\""}) {
    EXPECT_THROW(parse_experiment(to_toml(e), "e.toml", std::vector<std::string>{bad}), ConfigError) << bad;
  }
  EXPECT_THAT([] { experiment(std::numeric_limits<double>::quiet_NaN()).check(); },
              ThrowsMessage<ConfigError>(HasSubstr("[model] mixup: expected a number from 0 to 1,000, got nan")));
}

TEST_F(MixupRun, RefusesIndices) {
  Experiment e = experiment(0.4);
  e.data.source.clear();
  e.data.partitions = 1;
  e.data.validation = data::Validation::none();
  e.run.workers = 1;
  e.search.objective = Objective::TrainLoss;
  e.model.metrics = {};
  e.model.layers = {"embedding 3 4", "flatten", "linear 2"};
  e.data.rows = data::tensor_source(Tensor::from<std::int64_t>({0, 1, 2, 1}, {4, 1}),
                                    Tensor::from<std::int64_t>({0, 1, 0, 1}, {4}), 2);
  EXPECT_THAT([&] { run(e); },
              ThrowsMessage<ConfigError>(HasSubstr("[model] mixup: expected images or numbers, got i64")));
  e.model.mixup = 0;
  EXPECT_NO_THROW(run(e));
}

}  // namespace
}  // namespace hop::hopper
