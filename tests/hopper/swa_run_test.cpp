// Runs with stochastic weight averaging: the mean of the weights at the end of epochs is a part of the state, so it has
// the same bits on every way to a state, and validation and loaded models use it once there is one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "hopper/build_model.h"
#include "hopper/detail/model_file.h"
#include "kernels/copy.h"
#include "nn/state_file.h"
#include "tests/hopper/averaged_run.h"
#include "tests/hopper/killed_run.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

class SwaRun : public AveragedRun {
 protected:
  static Experiment experiment(std::uint32_t swa_start) {
    Experiment e = AveragedRun::experiment(0);
    e.model.swa_start = swa_start;
    e.search.epochs = 4;
    return e;
  }
  static std::int64_t count(const Trainer& trainer) {
    return values<std::int64_t>(trainer, "optimizer.n_averaged").front();
  }
  static UnitMetrics train_epoch(Trainer& trainer, const data::Dataset& data, std::uint32_t epoch) {
    UnitMetrics metrics;
    for (std::uint32_t q = 0; q < data.partition_count(); ++q)
      metrics = trainer.train(data.partition(PartitionId(q)), Epoch(epoch), PartitionId(q));
    trainer.end_epoch(Epoch(epoch));
    return metrics;
  }
};

TEST_F(SwaRun, HasTheSameBitsForAnyNumberOfWorkersRecordedOrNot) {
  Experiment e = experiment(2);
  const fs::path directory = *folder_ / "two";
  const Results two = run(e, {.run_directory = directory}).results;
  EXPECT_GT(two.hops, 0U);
  for (const Replayed& replayed : replay(directory)) EXPECT_TRUE(replayed.matches) << replayed.model.value;
  for (const std::uint32_t workers : {1U, 4U}) {
    e.run.workers = workers;
    const Results other = run(e).results;
    EXPECT_EQ(hashes(other), hashes(two)) << workers;
    for (const ModelResult& model : other.models) EXPECT_EQ(model.valid_loss, two.model(model.id).valid_loss);
  }
  e.run.capture = false;
  EXPECT_EQ(hashes(run(e).results), hashes(two)) << "not recorded";
  EXPECT_NE(hashes(run(experiment(3)).results), hashes(two)) << "another start";
}

// 2 models visit 4 partitions in 4 epochs. When half of the 32 units are done, the first epochs have been averaged.
TEST_F(SwaRun, KilledResumesToTheSameBits) {
  const fs::path directory = *folder_ / "killed";
  Experiment e = experiment(1);
  e.model.swa_lr = 0.002;
  ASSERT_NO_FATAL_FAILURE(run_until_killed(e, directory, 16));
  EXPECT_EQ(hashes(resume(directory).results), hashes(run(e).results));
}

TEST_F(SwaRun, HasTheSameBitsWithEveryStrategy) {
  for (const char* strategy : {"task_parallel", "allreduce", "averaging", "parameter_server"}) {
    SCOPED_TRACE(strategy);
    Experiment e = experiment(2);
    e.model.swa_lr = 0.002;
    e.model.layers = {"flatten", "linear 16", "relu", "linear 10"};
    e.run.strategy = strategy;
    const fs::path directory = *folder_ / strategy;
    const Results two = run(e, {.run_directory = directory}).results;
    for (const Replayed& replayed : replay(directory)) EXPECT_TRUE(replayed.matches) << replayed.model.value;
    e.run.workers = 1;
    EXPECT_EQ(hashes(run(e).results), hashes(two));
  }
}

// The weights are those of a run without an average. Their plain mean is the right average.
TEST_F(SwaRun, IsTheMeanOfTheWeightsAtTheEndOfEpochsAndValidatesWithIt) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Experiment with = experiment(2), without = experiment(0);
  Trainer a(with, ModelId(0), config(24), data), b(without, ModelId(0), config(24), data);
  a.initialize();
  b.initialize();
  std::map<std::string, std::vector<double>> sums;
  for (std::uint32_t epoch = 0; epoch < 4; ++epoch) {
    for (Trainer* trainer : {&a, &b}) train_epoch(*trainer, data, epoch);
    const std::int64_t averaged = epoch;  // from the second epoch on
    ASSERT_EQ(count(a), averaged);
    for (const nn::NamedTensor& p : b.module().named_parameters()) {
      const std::vector<float> now = values(b, p.name);
      ASSERT_EQ(values(a, p.name), now) << p.name << ": training goes on with the weights";
      if (averaged == 0) continue;
      const std::vector<float> average = values(a, "optimizer.average." + p.name);
      std::vector<double>& sum = sums[p.name];
      sum.resize(now.size());
      for (std::size_t i = 0; i < now.size(); ++i) {
        sum[i] += now[i];
        ASSERT_NEAR(average[i], sum[i] / static_cast<double>(averaged), 1e-6) << p.name << " after epoch " << epoch;
      }
    }
    UnitMetrics of_a, of_weights;
    a.validate(data.validation(), of_a);
    b.validate(data.validation(), of_weights);
    if (averaged < 2) {
      EXPECT_EQ(of_a.valid_loss, of_weights.valid_loss) << "no average yet, or one of one";
    } else {
      EXPECT_NE(of_a.valid_loss, of_weights.valid_loss);
    }
  }

  for (const nn::NamedTensor& p : b.module().named_parameters()) {
    kernels::copy_(p.tensor, Tensor::from<float>(values(a, "optimizer.average." + p.name), p.tensor.shape()));
  }
  const ByteView state = std::as_const(a.state()).bytes();
  const std::vector<std::byte> before(state.begin(), state.end());
  UnitMetrics of_averages, right;
  a.validate(data.validation(), of_averages);
  EXPECT_TRUE(std::ranges::equal(before, std::as_const(a.state()).bytes())) << "validation changes nothing";
  b.validate(data.validation(), right);
  EXPECT_EQ(of_averages.valid_loss, right.valid_loss);
  EXPECT_EQ(of_averages.valid_accuracy, right.valid_accuracy);
}

TEST_F(SwaRun, TakesItsAverageAlongInAHop) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Experiment e = experiment(1);
  Trainer stays(e, ModelId(0), config(24), data), leaves(e, ModelId(0), config(24), data),
      takes_over(e, ModelId(0), config(24), data);
  stays.initialize();
  leaves.initialize();
  for (Trainer* trainer : {&stays, &leaves}) train_epoch(*trainer, data, 0);
  takes_over.state().load(leaves.state().save().wait());
  for (std::uint32_t epoch = 1; epoch < 3; ++epoch) {
    for (Trainer* trainer : {&stays, &takes_over}) train_epoch(*trainer, data, epoch);
    EXPECT_EQ(takes_over.state().digest(), stays.state().digest()) << epoch;
  }
  EXPECT_EQ(count(takes_over), 3);
}

TEST_F(SwaRun, LeavesOutTheWeightsOfALostLoss) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Experiment e = experiment(1);
  Trainer trainer(e, ModelId(0), config(24, 1e30), data);
  trainer.initialize();
  const std::vector<float> before = values(trainer, "optimizer.average.2.weight");
  const UnitMetrics metrics = trainer.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0));
  ASSERT_FALSE(std::isfinite(metrics.train_loss));
  trainer.end_epoch(Epoch(0));
  EXPECT_EQ(count(trainer), 0);
  EXPECT_EQ(values(trainer, "optimizer.average.2.weight"), before);
}

// At some of these rates one member loses its loss and the others hear of it. All must leave the average alone, or they
// would end with different states.
TEST_F(SwaRun, ALossThatOneMemberLostIsLostForAllBesideAScaler) {
  const auto ends = [](std::uint32_t workers) {
    Experiment e = experiment(1);
    e.model.grad_scaler = true;
    e.search.space = {{"lr", Choices{0.01, 30.0, 300.0, 1e3, 3e3, 1e4, 1e5, 1e6, 1e8}},
                      {"batch_size", Choices{std::int64_t{24}}},
                      {"optimizer", Choices{std::string("sgd")}}};
    e.run.strategy = "averaging";
    e.run.replicas.average_every = 1;
    e.run.workers = workers;
    const Results results = run(e).results;
    std::map<std::uint32_t, std::string> status = hashes(results);
    for (const ModelResult& model : results.models) status[model.id.value] += " " + model.status;
    return status;
  };
  const auto alone = ends(1);
  EXPECT_TRUE(std::ranges::any_of(alone, [](const auto& end) { return end.second.ends_with("diverged"); }));
  EXPECT_EQ(ends(4), alone);
}

TEST_F(SwaRun, LoadsModelsWithTheAveragesOnceThereAreSome) {
  for (const std::uint32_t swa_start : {2U, 4U}) {
    Experiment e = experiment(swa_start);
    e.search.keep = StateFile::Best;
    const fs::path directory = *folder_ / ("loaded" + std::to_string(swa_start));
    run(e, {.run_directory = directory});
    for (const StateFile which : {StateFile::Last, StateFile::Best}) {
      const fs::path file = model_file_path(directory, ModelId(0), which);
      const nn::StateLayout layout = nn::read_state_header(file).layout;
      AlignedBuffer block(layout.bytes);
      nn::load_state(file, layout, block.span());
      const std::int64_t averaged = values<std::int64_t>(layout, block.span(), "optimizer.n_averaged").front();
      if (which == StateFile::Last) {
        EXPECT_EQ(averaged, 5 - swa_start);
      }
      const std::shared_ptr<nn::Module> module = load_model(directory, ModelId(0), e, which);
      for (const nn::NamedTensor& p : module->named_parameters()) {
        const float* const weights = p.tensor.data<float>();
        const std::vector<float> loaded(weights, weights + p.tensor.numel());
        EXPECT_EQ(loaded, values(layout, block.span(), (averaged > 0 ? "optimizer.average." : "") + p.name)) << p.name;
        if (averaged != 1) {  // an average of one has the weights' values
          EXPECT_NE(values(layout, block.span(), "optimizer.average." + p.name), values(layout, block.span(), p.name));
        }
      }
    }
  }
}

TEST_F(SwaRun, AnnealsToTheSameBitsForAnyNumberOfWorkers) {
  Experiment e = experiment(2);
  e.model.swa_lr = 0.002;
  const auto two = hashes(run(e).results);
  EXPECT_NE(two, hashes(run(experiment(2)).results)) << "without a rate of its own";
  e.run.workers = 1;
  EXPECT_EQ(hashes(run(e).results), two);
}

// PyTorch's formula: (1 - share) start + share swa_lr, where the share of the way grows with each epoch. An epoch has
// 16 steps: 4 partitions of 80 rows in batches of 24.
TEST_F(SwaRun, AnnealsByEpochsFromTheRateThatTheScheduleHasAtItsStart) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  Experiment e = experiment(3);
  Config decaying = config(24, 0.4);
  decaying.set("schedule", std::string("exponential"));
  decaying.set("gamma", 0.99);
  const optim::LRSchedule plain = make_schedule(e, decaying, data, 0);
  e.model.swa_lr = 0.05;
  const auto expect_shares = [&](auto share_after) {
    const optim::LRSchedule schedule = make_schedule(e, decaying, data, 0);
    for (std::int64_t t = 0; t < 16 * 16; ++t) {
      const std::int64_t epochs = t / 16 - 2;
      const double share = epochs < 0 ? 0 : share_after(static_cast<double>(epochs));
      const double start = 0.4 * std::pow(0.99, 32);
      EXPECT_NEAR(schedule(t), epochs < 0 ? plain(t) : (1 - share) * start + share * 0.05, 1e-12) << t;
    }
  };
  expect_shares([](double epochs) { return epochs < 10 ? (1 - std::cos(std::numbers::pi * epochs / 10)) / 2 : 1; });
  e.model.swa_anneal = optim::Annealing::linear;
  e.model.swa_anneal_epochs = 4;
  expect_shares([](double epochs) { return std::min(epochs / 4, 1.0); });
  e.model.swa_anneal_epochs = 0;
  expect_shares([](double) { return 1.0; });
}

TEST_F(SwaRun, MultipliesItsRateByTheReplicas) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  Experiment e = experiment(1);
  e.model.swa_lr = 0.05;
  e.model.swa_anneal_epochs = 0;
  e.run.strategy = "allreduce";
  e.run.replicas.lr_scale = LrScale::Linear;
  EXPECT_DOUBLE_EQ(make_schedule(e, config(24), data, 0)(0), 4 * 0.05);
}

TEST_F(SwaRun, ReadsChecksAndWritesTheKeysOfItsRate) {
  Experiment e = experiment(3);
  e.model.swa_lr = 0.05;
  e.model.swa_anneal_epochs = 0;
  e.model.swa_anneal = optim::Annealing::linear;
  EXPECT_THAT(to_toml(e),
              HasSubstr("\nswa_start = 3\nswa_lr = 0.05\nswa_anneal_epochs = 0\nswa_anneal = \"linear\"\n"));
  const ModelOptions read = parse_experiment(to_toml(e), "e.toml").model;
  EXPECT_EQ(read.swa_lr, 0.05);
  EXPECT_EQ(read.swa_anneal_epochs, 0U);
  EXPECT_EQ(read.swa_anneal, optim::Annealing::linear);
  for (const char* bad : {"model.swa_lr=-0.1", "model.swa_lr=inf", "model.swa_lr=\"low\"", "model.swa_anneal_epochs=-1",
                          "model.swa_anneal_epochs=1.5", "model.swa_anneal=\"cosine\""}) {
    EXPECT_THROW(parse_experiment(to_toml(e), "e.toml", std::vector<std::string>{bad}), ConfigError) << bad;
  }
  const auto expect_refusal = [](const Experiment& refused, const char* text) {
    EXPECT_THAT([&] { refused.check(); }, ThrowsMessage<ConfigError>(HasSubstr(text)));
  };
  e.model.swa_start = 0;
  expect_refusal(e,
                 "[model] swa_lr: expected swa_start beside it, the epoch from which on it anneals, got swa_lr = 0.05 "
                 "without; write swa_start = 5 or another epoch");
  e.model.swa_lr = -1;
  expect_refusal(e, "[model] swa_lr: expected a learning rate of at least 0, got -1");
  e.model.swa_lr.reset();
  expect_refusal(e,
                 "[model] swa_anneal_epochs: expected swa_lr beside it, the learning rate to which it anneals, got "
                 "swa_anneal_epochs = 0 without; write swa_lr = 0.05 or another rate");
  e.model.swa_anneal_epochs.reset();
  expect_refusal(e,
                 "[model] swa_anneal: expected swa_lr beside it, the learning rate to which it anneals, got swa_anneal "
                 "= \"linear\" without; write swa_lr = 0.05 or another rate");
}

TEST_F(SwaRun, IsOffByDefault) {
  const Experiment plain = experiment(0);
  EXPECT_EQ(ModelOptions{}.swa_start, 0U);
  EXPECT_THAT(to_toml(plain), Not(HasSubstr("swa")));
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Trainer trainer(plain, ModelId(0), config(24), data);
  for (const nn::Segment& segment : trainer.state().layout().segments)
    EXPECT_THAT(segment.name, Not(HasSubstr("average")));
}

TEST_F(SwaRun, ReadsChecksAndWritesItsKey) {
  const Experiment e = experiment(3);
  EXPECT_THAT(to_toml(e), HasSubstr("\nswa_start = 3\n"));
  EXPECT_EQ(parse_experiment(to_toml(e), "e.toml").model.swa_start, 3U);
  for (const char* bad :
       {"model.swa_start=0", "model.swa_start=-1", "model.swa_start=1.5", "model.swa_start=\"yes\""}) {
    EXPECT_THROW(parse_experiment(to_toml(e), "e.toml", std::vector<std::string>{bad}), ConfigError) << bad;
  }
  EXPECT_THAT([] { experiment(5).check(); },
              ThrowsMessage<ConfigError>(HasSubstr(
                  "[model] swa_start: expected an epoch from 1 to the last one, 4 ([search] epochs), got 5")));
  EXPECT_THAT(
      [] {
        Experiment both = experiment(2);
        both.model.ema = 0.9;
        both.check();
      },
      ThrowsMessage<ConfigError>(
          HasSubstr("[model] swa_start: expected one average of the weights, got swa_start = 2 beside ema = 0.9; leave "
                    "one of the two out")));
}

}  // namespace
}  // namespace hop::hopper
