// Runs with an average of the weights: it is a part of the state, so it has the same bits on every way to a state, and
// validation and loaded models use it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "hopper/detail/model_file.h"
#include "hopper/run.h"
#include "hopper/trainer.h"
#include "kernels/copy.h"
#include "nn/state_file.h"
#include "tests/hopper/averaged_run.h"
#include "tests/hopper/same_bits.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

class EmaRun : public AveragedRun {};

TEST_F(EmaRun, HasTheSameBitsForAnyNumberOfWorkersRecordedOrNot) {
  expect_the_same_bits_however_it_runs(experiment(0.9), *folder_ / "two");
}

TEST_F(EmaRun, KilledResumesToTheSameBits) {
  expect_the_same_bits_after_a_kill(experiment(0.9), *folder_ / "killed", 3);
}

// One batch of all rows is one step. The weights are those of a run without an average, which gives the right average.
TEST_F(EmaRun, AveragesTheWeightsOfEachStepAndValidatesWithThem) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Experiment with = experiment(0.9), without = experiment(0);
  Trainer a(with, ModelId(0), config(80), data), b(without, ModelId(0), config(80), data);
  a.initialize();
  b.initialize();
  std::map<std::string, std::vector<float>> right;
  for (const nn::NamedTensor& p : b.module().named_parameters()) {
    right[p.name] = values(b, p.name);
    EXPECT_EQ(values(a, "optimizer.average." + p.name), right[p.name]) << "before the first step";
  }
  for (std::uint32_t step = 0; step < 4; ++step) {
    for (Trainer* trainer : {&a, &b}) trainer->train(data.partition(PartitionId(step)), Epoch(0), PartitionId(step));
    for (auto& [name, average] : right) {
      const std::vector<float> now = values(b, name);
      ASSERT_EQ(values(a, name), now) << name;
      for (std::size_t i = 0; i < now.size(); ++i)
        average[i] = step == 0 ? now[i] : average[i] + 0.1F * (now[i] - average[i]);
      ASSERT_EQ(values(a, "optimizer.average." + name), average) << name << " after step " << step;
    }
  }

  const ByteView state = std::as_const(a.state()).bytes();
  const std::vector<std::byte> before(state.begin(), state.end());
  UnitMetrics of_averages, of_weights, right_metrics;
  a.validate(data.validation(), of_averages);
  EXPECT_TRUE(std::ranges::equal(before, std::as_const(a.state()).bytes())) << "validation changes nothing";
  b.validate(data.validation(), of_weights);
  for (const nn::NamedTensor& p : b.module().named_parameters()) {
    kernels::copy_(p.tensor, Tensor::from<float>(right[p.name], p.tensor.shape()));
  }
  b.validate(data.validation(), right_metrics);
  EXPECT_EQ(of_averages.valid_loss, right_metrics.valid_loss);
  EXPECT_EQ(of_averages.valid_accuracy, right_metrics.valid_accuracy);
  EXPECT_NE(of_averages.valid_loss, of_weights.valid_loss);
}

TEST_F(EmaRun, LoadsModelsWithTheAverages) {
  Experiment e = experiment(0.9);
  e.search.keep = StateFile::Best;
  const fs::path directory = *folder_ / "loaded";
  run(e, {.run_directory = directory});
  for (const StateFile which : {StateFile::Last, StateFile::Best}) {
    const fs::path file = model_file_path(directory, ModelId(0), which);
    const nn::StateLayout layout = nn::read_state_header(file).layout;
    AlignedBuffer block(layout.bytes);
    nn::load_state(file, layout, block.span());
    const std::shared_ptr<nn::Module> module = load_model(directory, ModelId(0), e, which);
    for (const nn::NamedTensor& p : module->named_parameters()) {
      const float* const weights = p.tensor.data<float>();
      const std::vector<float> loaded(weights, weights + p.tensor.numel());
      EXPECT_EQ(loaded, values(layout, block.span(), "optimizer.average." + p.name)) << p.name;
      EXPECT_NE(loaded, values(layout, block.span(), p.name)) << p.name;
    }
  }
}

// One replica is training without replicas, bit for bit.
TEST_F(EmaRun, OneReplicaHasTheAveragesOfAModelWithoutReplicas) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const PartitionId id(0);
  Experiment alone = experiment(0.9);
  alone.run.strategy = "task_parallel";
  Trainer right(alone, ModelId(0), config(24), data);
  right.initialize();
  right.train(data.partition(id), Epoch(0), id);
  for (const char* strategy : {"allreduce", "averaging"}) {
    Experiment e = experiment(0.9);
    e.run.strategy = strategy;
    Trainer trainer(e, ModelId(0), config(24), data);
    trainer.initialize();
    trainer.train_replicas(
        std::vector{id}, [&](PartitionId q) { return data.partition(q); }, Epoch(0));
    for (const nn::NamedTensor& p : trainer.module().named_parameters()) {
      const std::string average = "optimizer.average." + p.name;
      EXPECT_EQ(values(trainer, average), values(right, average)) << strategy;
      EXPECT_NE(values(trainer, average), values(trainer, p.name)) << strategy;
    }
  }
}

// With equal shares the averages of replicas become their mean, as the weights do.
TEST_F(EmaRun, AveragesTheAveragesOfReplicas) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  Experiment e = experiment(0.9);
  e.model.layers = {"flatten", "linear 10"};
  e.run.strategy = "averaging";
  std::vector<std::vector<float>> of_each;
  for (std::uint32_t q = 0; q < 2; ++q) {
    Trainer trainer(e, ModelId(0), config(24), data);
    trainer.initialize();
    trainer.train_replicas(
        std::vector{PartitionId(q)}, [&](PartitionId id) { return data.partition(id); }, Epoch(0));
    of_each.push_back(values(trainer, "optimizer.average.1.weight"));
  }
  Trainer both(e, ModelId(0), config(24), data);
  both.initialize();
  both.train_replicas(
      std::vector{PartitionId(0), PartitionId(1)}, [&](PartitionId id) { return data.partition(id); }, Epoch(0));
  const std::vector<float> mean = values(both, "optimizer.average.1.weight");
  for (std::size_t i = 0; i < mean.size(); ++i) ASSERT_NEAR(mean[i], (of_each[0][i] + of_each[1][i]) / 2, 1e-6) << i;
}

TEST_F(EmaRun, IsOffByDefaultAndAtZero) {
  Experiment plain = experiment(0);
  EXPECT_EQ(plain.model.ema, ModelOptions{}.ema);
  EXPECT_THAT(to_toml(plain), Not(HasSubstr("ema")));
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Trainer trainer(plain, ModelId(0), config(24), data);
  for (const nn::Segment& segment : trainer.state().layout().segments)
    EXPECT_THAT(segment.name, Not(HasSubstr("average")));
  EXPECT_NE(hashes(run(experiment(0.5)).results), hashes(run(experiment(0.9)).results));
}

TEST_F(EmaRun, ReadsChecksAndWritesItsKey) {
  const Experiment e = experiment(0.99);
  EXPECT_THAT(to_toml(e), HasSubstr("\nema = 0.99\n"));
  EXPECT_EQ(parse_experiment(to_toml(e), "e.toml").model.ema, 0.99);
  for (const char* bad : {"model.ema=-0.5", "model.ema=1", "model.ema=\"yes\""}) {
    EXPECT_THROW(parse_experiment(to_toml(e), "e.toml", std::vector<std::string>{bad}), ConfigError) << bad;
  }
  EXPECT_THAT([] { experiment(std::numeric_limits<double>::quiet_NaN()).check(); },
              ThrowsMessage<ConfigError>(HasSubstr("[model] ema: expected a decay from 0 to below 1, got nan")));
}

}  // namespace
}  // namespace hop::hopper
