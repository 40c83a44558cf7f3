// BatchNorm layers with the statistics of all replicas, in a trainer and in groups of trainers. The judges: plain
// training on the rows of all replicas together, plain training for one replica, and one trainer with all replicas.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/graph.h"
#include "autograd/loss.h"
#include "base/error.h"
#include "base/hash.h"
#include "data/loader.h"
#include "hopper/build_model.h"
#include "kernels/copy.h"
#include "nn/state.h"
#include "tests/hopper/group_trainer.h"

namespace hop::hopper {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Experiment synchronised(Experiment e) {
  e.run.replicas.batchnorm = BatchNormStatistics::Synchronised;
  return e;
}

class SynchronisedTrainer : public ReplicaTrainer {
 protected:
  // Model 0, one epoch on batches of the rows of all partitions of each step.
  static std::shared_ptr<nn::Module> trained_on_unions(const Experiment& e, const Config& config,
                                                       const data::Dataset& data,
                                                       const std::vector<std::byte>& initial) {
    const std::shared_ptr<nn::Module> module = build_module(e, config, data);
    const auto optimizer = make_updates(e, config, *module).optimizer;
    nn::StateBlock state(*module, optimizer.get());
    std::memcpy(state.bytes().data(), initial.data(), initial.size());
    module->train();
    std::vector<data::Loader> loaders;
    for (std::uint32_t q = 0; q < data.partition_count(); ++q) {
      loaders.emplace_back(data::LoaderOptions{.batch_size = batch_size(config), .scale = data.scale()});
      loaders.back().start(data.partition(PartitionId(q)), hash64(e.seed, "order", {0, 0, q}));
    }
    const std::int64_t steps = steps_per_epoch(e, config, data);
    for (std::int64_t step = 0; step < steps; ++step) {
      std::vector<Tensor> x, y;
      for (data::Loader& loader : loaders) {
        const auto batch = loader.next();
        if (batch) x.push_back(batch->x), y.push_back(batch->y);
      }
      optimizer->zero_grad();
      backward(cross_entropy((*module)(kernels::cat(x, 0)), kernels::cat(y, 0)));
      optimizer->step();
    }
    return module;
  }
  static void expect_near(const nn::Module& a, const nn::Module& b) {
    for (const bool parameters : {true, false}) {
      const auto here = parameters ? a.named_parameters() : a.named_buffers();
      const auto there = parameters ? b.named_parameters() : b.named_buffers();
      ASSERT_EQ(here.size(), there.size());
      for (std::size_t i = 0; i < here.size(); ++i) {
        const Tensor x = kernels::cast(here[i].tensor, DType::f64), y = kernels::cast(there[i].tensor, DType::f64);
        for (std::int64_t k = 0; k < x.numel(); ++k) {
          EXPECT_NEAR(x.data<double>()[k], y.data<double>()[k], 1e-5) << here[i].name << " " << k;
        }
      }
    }
  }
  static std::vector<std::byte> trained(const Experiment& e, const Config& config, const data::Dataset& data) {
    Trainer trainer(e, ModelId(0), config, data);
    trainer.initialize();
    for (std::uint32_t epoch = 0; epoch < 2; ++epoch) train(trainer, data, epoch);
    return state_of(trainer);
  }
};

// Batches of 16 end in short ones of 3 and 2 rows. Those of 82 leave one row of two replicas, and none of the others.
TEST_F(SynchronisedTrainer, AStepIsOneOfTheRowsOfAllReplicasTogether) {
  const data::Dataset data = dataset(4);
  const std::vector<std::string> vectors = {"flatten", "linear 12", "batchnorm1d", "tanh", "linear 10"};
  const std::vector<std::string> images = {"conv2d 4 3",  "batchnorm2d", "tanh",    "conv2d 6 3 stride=2",
                                           "batchnorm2d", "tanh",        "flatten", "linear 10"};
  for (const auto& [layers, batch] : {std::pair{vectors, 16}, {images, 16}, {images, 82}}) {
    for (const bool capture : {true, false}) {
      SCOPED_TRACE(std::to_string(layers.size()) + " layers, batches of " + std::to_string(batch));
      Experiment e = synchronised(experiment("allreduce"));
      e.model.layers = layers;
      e.run.capture = capture;
      const Config plain = config(batch, "sgd", 0.05);
      Trainer trainer(e, ModelId(0), plain, data);
      trainer.initialize();
      const std::vector<std::byte> initial = state_of(trainer);
      train(trainer, data, 0);
      expect_near(trainer.module(), *trained_on_unions(e, plain, data, initial));
    }
  }
}

// The statistics of other rows are another model's.
TEST_F(SynchronisedTrainer, TrainsAnotherModelThanReplicasByThemselves) {
  const data::Dataset data = dataset(4);
  const Experiment apart = experiment("allreduce");
  EXPECT_NE(trained(synchronised(apart), config(16), data), trained(apart, config(16), data));
}

TEST_F(SynchronisedTrainer, HasTheSameBitsRecordedOrNot) {
  for (const std::int64_t batch : {16, 82}) {
    const data::Dataset data = dataset(4);
    Experiment e = synchronised(experiment("allreduce"));
    const std::vector<std::byte> recorded = trained(e, config(batch), data);
    e.run.capture = false;
    EXPECT_EQ(trained(e, config(batch), data), recorded) << batch;
  }
}

TEST_F(SynchronisedTrainer, RecordsEachReplicasStepOnce) {
  const data::Dataset data = dataset(3);  // 110 rows each: six batches of 16, and one of 14
  const Experiment e = synchronised(experiment("allreduce"));
  Trainer trainer(e, ModelId(0), config(16), data);
  trainer.initialize();
  train(trainer, data, 0);
  const std::size_t after_one = trainer.recordings();
  EXPECT_EQ(after_one, 3 * 2 + 1U) << "of each replica the two sizes, and the update";
  train(trainer, data, 1);
  EXPECT_EQ(trainer.recordings(), after_one);
}

TEST_F(SynchronisedTrainer, OneReplicaIsPlainTrainingBitForBit) {
  const data::Dataset data = dataset(1);
  const std::vector<std::byte> plain = trained(experiment("hopping"), config(48), data);
  EXPECT_EQ(trained(synchronised(experiment("allreduce")), config(48), data), plain);
  EXPECT_EQ(trained(synchronised(experiment("parameter_server")), config(48), data), plain);
}

TEST_F(SynchronisedTrainer, ChangesNothingWithoutABatchNormAndWhereWeightsAreShared) {
  const data::Dataset data = dataset(4);
  Experiment without = experiment("allreduce");
  without.model.layers = {"flatten", "dropout 0.1", "linear 12", "relu", "linear 10"};
  EXPECT_EQ(trained(synchronised(without), config(16), data), trained(without, config(16), data));
  const Experiment averaging = experiment("averaging");
  EXPECT_EQ(trained(synchronised(averaging), config(16), data), trained(averaging, config(16), data));
}

// 83 rows in batches of 16 are six steps. A first layer says nothing backward: its input needs no gradient.
TEST_F(SynchronisedTrainer, CountsTheStatisticsThatAReplicaTells) {
  const data::Dataset data = dataset(4);
  const auto metrics_of = [&](const std::vector<std::string>& layers, bool captures, BatchNormStatistics statistics) {
    Experiment e = experiment("allreduce");
    e.model.layers = layers;
    e.run.capture = captures;
    e.run.replicas.batchnorm = statistics;
    Trainer trainer(e, ModelId(0), config(16), data);
    trainer.initialize();
    train(trainer, data, 0);
    return train(trainer, data, 1);
  };
  const std::vector<std::string> inside = {"flatten", "linear 12", "batchnorm1d", "relu", "linear 10"};
  const std::vector<std::string> two = {"flatten", "batchnorm1d", "linear 12", "batchnorm1d", "relu", "linear 10"};
  for (const bool captures : {true, false}) {
    const UnitMetrics one = metrics_of(inside, captures, BatchNormStatistics::Synchronised);
    EXPECT_EQ(one.statistics_bytes, 6U * 8 * (4 * 12 + 1));
    EXPECT_EQ(one.statistics_rounds, 6U * 2);
    const UnitMetrics both = metrics_of(two, captures, BatchNormStatistics::Synchronised);
    EXPECT_EQ(both.statistics_bytes, 6U * 8 * (4 * 12 + 1 + 2 * 784 + 1));
    EXPECT_EQ(both.statistics_rounds, 6U * 3);
    EXPECT_EQ(metrics_of(two, captures, BatchNormStatistics::Replica).statistics_bytes, std::nullopt);
  }
}

// The trainer lets go of the memory of a state when a unit ends, and takes the next one: another model's.
TEST_F(SynchronisedTrainer, TrainsTheStatesOfSeveralModelsInTurn) {
  const data::Dataset data = dataset(4);
  const Experiment e = synchronised(experiment("allreduce"));
  const std::vector<std::byte> expected = trained(e, config(16), data);
  Trainer trainer(e, ModelId(0), config(16), data);
  trainer.initialize();
  train(trainer, data, 0);
  const nn::StateBytes first = trainer.state().shared_bytes();
  trainer.state().load(trainer.state().make_bytes());
  EXPECT_EQ(first.use_count(), 1) << "no module of a replica holds the memory";
  trainer.assign(ModelId(1), config(16, "adam", 0.003));
  trainer.initialize();
  train(trainer, data, 0);
  trainer.assign(ModelId(0), config(16));
  trainer.state().load(first);
  train(trainer, data, 1);
  EXPECT_EQ(state_of(trainer), expected);
}

// ---- groups

class SynchronisedGroup : public GroupTrainer {};

// With four members and batches of 82, two members have no rows in the second step.
TEST_F(SynchronisedGroup, HasTheBitsOfOneTrainerWithAllReplicas) {
  for (const std::uint32_t members : {2U, 3U, 4U}) {
    for (const std::int64_t batch : {16, 82}) {
      for (const bool capture : {true, false}) {
        SCOPED_TRACE(std::to_string(members) + " members, batches of " + std::to_string(batch));
        Experiment e = synchronised(experiment("allreduce"));
        e.run.capture = capture;
        expect_the_same(e, config(batch), 4, members);
      }
    }
  }
  expect_the_same(synchronised(experiment("allreduce")), config(16), 3, 2);
}

TEST_F(SynchronisedGroup, HasTheBitsOfOneTrainerWithLateGradientsMixupAndAScaler) {
  Experiment late = synchronised(experiment("parameter_server"));
  late.run.replicas.staleness = 2;
  expect_the_same(late, config(16), 4, 3);
  Experiment mixed = synchronised(experiment("allreduce"));
  mixed.model.mixup = 0.4;
  expect_the_same(mixed, config(16), 4, 3);
  Experiment scaled = synchronised(experiment("allreduce"));
  scaled.model.grad_scaler = true;
  expect_the_same(scaled, config(16), 4, 2);
}

// Of 4 replicas with 4 members: 12 channels, twice 6 steps.
TEST_F(SynchronisedGroup, SendsTheSumsOfEachReplicaToAllMembers) {
  const Experiment apart = experiment("allreduce");
  const std::uint64_t together = expect_the_same(synchronised(apart), config(16), 4, 4);
  EXPECT_EQ(together - expect_the_same(apart, config(16), 4, 4), 12U * 4 * 3 * (4 * 12 + 1) * 8);
}

// An error in the middle of a step ends it at all members.
TEST_F(SynchronisedGroup, EndsWhereMembersDoNotRunTheSameLayers) {
  const data::Dataset data = dataset(4);
  EXPECT_THROW(run_group(4, 2,
                         [&](const Group& group) {
                           Experiment e = synchronised(experiment("allreduce"));
                           if (group.wire->rank() == 1) e.model.layers[2] = "linear 7";
                           Trainer trainer(e, ModelId(0), config(16), data);
                           trainer.initialize();
                           const PartitionRows rows = [&](PartitionId id) { return data.partition(id); };
                           train_unit(trainer, Epoch(0), all_of(data), rows, {}, nullptr, group);
                         }),
               MemberLost);
}

// ---- refused

constexpr const char* kToml = R"([data]
source = "glyphs"
[model]
layers = ["flatten", "linear 10"]
[search]
epochs = 1
[run]
)";

std::string refusal(const std::string& lines) {
  try {
    parse_experiment(kToml + lines, "e.toml");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(SynchronisedKey, IsReadWrittenAndNeedsTheCpu) {
  const std::string line = "batchnorm = \"synchronised\"\n";
  const Experiment e = parse_experiment(std::string(kToml) + "strategy = \"allreduce\"\n" + line, "e.toml");
  EXPECT_EQ(e.run.replicas.batchnorm, BatchNormStatistics::Synchronised);
  EXPECT_THAT(to_toml(e), HasSubstr(line));
  EXPECT_THAT(to_toml(parse_experiment(kToml, "e.toml")), testing::Not(HasSubstr("batchnorm")));
  EXPECT_THAT(refusal("batchnorm = \"synchronized\"\n"),
              AllOf(HasSubstr("[run] batchnorm: unknown value"), HasSubstr("did you mean \"synchronised\"?")));
  for (const char* strategy : {"allreduce", "parameter_server"}) {
    EXPECT_THAT(refusal(line + "device = \"cuda\"\nstrategy = \"" + strategy + "\"\n"),
                HasSubstr("[run] batchnorm: expected device = \"cpu\" with \"synchronised\""));
  }
  EXPECT_THAT(refusal(line + "device = \"cuda\"\ngroup = 2\n"), HasSubstr("write device = \"cpu\""));
  EXPECT_EQ(refusal(line + "device = \"cuda\"\n"), "no error") << "hopping does not read it";
  EXPECT_EQ(refusal(line + "device = \"cuda\"\nstrategy = \"averaging\"\n"), "no error");
}

}  // namespace
}  // namespace hop::hopper
