// An epoch of replicas in a trainer: against plain training for one replica, against plain loops for several, and
// against values that PyTorch computed (golden/generate_replicas.py).
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/ops.h"
#include "data/source.h"
#include "kernels/copy.h"
#include "nn/safetensors.h"
#include "tests/hopper/replica_trainer.h"
#include "tests/hopper/replicas_reference.h"
#include "tests/source_tree.h"

namespace hop::hopper {
namespace {

TEST_F(ReplicaTrainer, OneReplicaIsPlainTrainingBitForBit) {
  std::vector<std::pair<std::string, Experiment>> experiments;
  for (const char* strategy : {"allreduce", "averaging", "parameter_server"}) {
    for (const std::uint32_t every : {0U, 1U, 3U}) {
      Experiment e = experiment(strategy);
      if (every != 0) e.run.replicas.average_every = every;
      experiments.emplace_back(strategy, e);
    }
  }
  expect_plain_training(experiments);
}

// Batches of 16 end in short ones of each replica. Those of 82 leave two replicas without rows in the second step.
TEST_F(ReplicaTrainer, SharesGradientsAsPlainLoopsDo) {
  for (const std::uint32_t partitions : {3U, 4U}) {
    const data::Dataset data = dataset(partitions);
    for (const std::int64_t batch : {16, 82}) {
      for (const bool capture : {true, false}) {
        SCOPED_TRACE(std::to_string(partitions) + " replicas, batches of " + std::to_string(batch));
        Experiment e = experiment("allreduce");
        if (batch == 82) e.model.layers = {"flatten", "dropout 0.1", "linear 12", "relu", "linear 10"};
        e.run.capture = capture;
        Trainer trainer(e, ModelId(0), config(batch), data);
        trainer.initialize();
        ReferenceReplicas reference(e, config(batch), data);
        reference.begin(trainer);
        for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
          reference.share_gradients(epoch);
          const UnitMetrics metrics = train(trainer, data, epoch);
          EXPECT_EQ(metrics.train_loss, reference.loss());
          EXPECT_EQ(metrics.rows, 330U);
        }
        EXPECT_EQ(state_of(trainer), reference.state());
      }
    }
  }
}

// Six steps of each replica: late by one step, by four, and by more than there are. Dropout draws anew in each.
TEST_F(ReplicaTrainer, AppliesLateGradientsAsPlainLoopsDo) {
  const data::Dataset data = dataset(4);
  for (const std::uint32_t staleness : {0U, 1U, 4U, 9U}) {
    for (const bool capture : {true, false}) {
      SCOPED_TRACE(staleness);
      Experiment e = experiment("parameter_server");
      e.run.replicas.staleness = staleness;
      e.run.capture = capture;
      Trainer trainer(e, ModelId(0), config(16), data);
      trainer.initialize();
      ReferenceReplicas reference(e, config(16), data);
      reference.begin(trainer);
      for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
        reference.share_gradients(epoch, staleness);
        const UnitMetrics metrics = train(trainer, data, epoch);
        EXPECT_EQ(metrics.train_loss, reference.loss());
        EXPECT_EQ(metrics.rows, 330U);
      }
      EXPECT_EQ(state_of(trainer), reference.state());
      EXPECT_EQ(steps_of(trainer), 12) << "each gradient is applied once";
    }
  }
}

TEST_F(ReplicaTrainer, SharesWeightsAsPlainLoopsDo) {
  for (const std::uint32_t partitions : {3U, 4U}) {
    const data::Dataset data = dataset(partitions);
    for (const AverageState average : {AverageState::Average, AverageState::Keep, AverageState::Reset}) {
      for (const std::uint32_t every : {1U, 4U, 100U}) {
        SCOPED_TRACE(std::to_string(partitions) + " replicas, every " + std::to_string(every) + " steps, " +
                     std::to_string(static_cast<int>(average)));
        Experiment e = experiment("averaging");
        e.run.replicas.average_every = every;
        e.run.replicas.average_state = average;
        Trainer trainer(e, ModelId(0), config(16), data);
        trainer.initialize();
        ReferenceReplicas reference(e, config(16), data);
        reference.begin(trainer);
        for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
          reference.share_weights(epoch, every, average);
          EXPECT_EQ(train(trainer, data, epoch).train_loss, reference.loss());
        }
        EXPECT_EQ(state_of(trainer), reference.state());
        e.run.capture = false;
        Trainer eager(e, ModelId(0), config(16), data);
        eager.initialize();
        for (std::uint32_t epoch = 0; epoch < 2; ++epoch) train(eager, data, epoch);
        EXPECT_EQ(state_of(eager), state_of(trainer));
      }
    }
  }
}

// Batches of 82 leave two replicas with one step of each pass, and two with two.
TEST_F(ReplicaTrainer, PassesSeveralTimesBetweenAveragesAsPlainLoopsDo) {
  const data::Dataset data = dataset(4);
  for (const AverageState average : {AverageState::Average, AverageState::Keep, AverageState::Reset}) {
    for (const std::uint32_t passes : {1U, 2U, 3U}) {
      for (const std::int64_t batch : {16, 82}) {
        SCOPED_TRACE(std::to_string(passes) + " passes in batches of " + std::to_string(batch) + ", " +
                     std::to_string(static_cast<int>(average)));
        Experiment e = experiment("averaging");
        if (batch == 82) e.model.layers = {"flatten", "dropout 0.1", "linear 12", "relu", "linear 10"};
        e.run.replicas.average_passes = passes;
        e.run.replicas.average_state = average;
        Config falling = config(batch);
        falling.set("schedule", std::string("cosine"));
        Trainer trainer(e, ModelId(0), falling, data);
        trainer.initialize();
        ReferenceReplicas reference(e, falling, data);
        reference.begin(trainer);
        for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
          reference.share_weights(epoch, 100, average, passes);
          const UnitMetrics metrics = train(trainer, data, epoch);
          EXPECT_EQ(metrics.train_loss, reference.loss());
          EXPECT_EQ(metrics.rows, 330U * passes);
        }
        EXPECT_EQ(state_of(trainer), reference.state());
        e.run.capture = false;
        Trainer eager(e, ModelId(0), falling, data);
        eager.initialize();
        for (std::uint32_t epoch = 0; epoch < 2; ++epoch) train(eager, data, epoch);
        EXPECT_EQ(state_of(eager), state_of(trainer));
      }
    }
  }
}

// One replica has nobody to share with: two epochs of three passes are six epochs, but for the counter of epochs.
TEST_F(ReplicaTrainer, PassesOfOneReplicaAreEpochs) {
  const data::Dataset data = dataset(1);
  Config falling = config(16);
  falling.set("schedule", std::string("cosine"));
  Experiment passes = experiment("averaging"), epochs = experiment("averaging");
  passes.run.replicas.average_passes = 3;
  passes.search.epochs = 2;
  epochs.search.epochs = 6;
  Trainer a(passes, ModelId(0), falling, data), b(epochs, ModelId(0), falling, data);
  for (Trainer* trainer : {&a, &b}) trainer->initialize();
  for (std::uint32_t epoch = 0; epoch < 2; ++epoch) train(a, data, epoch);
  for (std::uint32_t epoch = 0; epoch < 6; ++epoch) train(b, data, epoch);
  EXPECT_EQ(a.state().counters().unit, b.state().counters().unit);
  a.state().counters().epoch = b.state().counters().epoch;
  EXPECT_EQ(state_of(a), state_of(b));
}

TEST_F(ReplicaTrainer, AveragesOncePerEpochIfNothingIsSaid) {
  const data::Dataset data = dataset(4);
  Experiment said = experiment("averaging");
  said.run.replicas.average_every = 1000;
  said.run.replicas.average_state = AverageState::Average;
  const Experiment unsaid = experiment("averaging");
  Trainer a(said, ModelId(0), config(16), data), b(unsaid, ModelId(0), config(16), data);
  for (Trainer* trainer : {&a, &b}) trainer->initialize(), train(*trainer, data, 0);
  EXPECT_EQ(state_of(a), state_of(b));
}

// With plain gradient descent the mean of the weights after one step is the step by the mean of the gradients.
TEST_F(ReplicaTrainer, AveragingAfterEachStepIsSharingGradients) {
  const data::Dataset data = dataset(4);
  Experiment averaging = experiment("averaging"), allreduce = experiment("allreduce");
  averaging.run.replicas.average_every = 1;
  for (Experiment* e : {&averaging, &allreduce}) e->model.layers = {"flatten", "linear 12", "tanh", "linear 10"};
  Trainer a(averaging, ModelId(0), config(16, "sgd", 0.1), data),
      b(allreduce, ModelId(0), config(16, "sgd", 0.1), data);
  for (Trainer* trainer : {&a, &b}) trainer->initialize(), train(*trainer, data, 0);
  const auto of_a = a.module().parameters(), of_b = b.module().parameters();
  for (std::size_t i = 0; i < of_a.size(); ++i) {
    for (std::int64_t j = 0; j < of_a[i].numel(); ++j) {
      EXPECT_NEAR(of_a[i].data<float>()[j], of_b[i].data<float>()[j], 1e-5);
    }
  }
}

// The gradient of a step is that of all its rows together: each row counts once, in short batches, too.
TEST_F(ReplicaTrainer, SharedGradientsAreThoseOfTheUnionOfTheBatches) {
  const data::Dataset data = dataset(4);
  Experiment e = experiment("allreduce");
  e.model.layers = {"flatten", "linear 12", "tanh", "linear 10"};
  const Config one_step = config(82, "sgd", 0.5);  // 82 rows of each, then one row of two of them
  Trainer trainer(e, ModelId(0), one_step, data);
  trainer.initialize();
  const std::vector<std::byte> initial = state_of(trainer);
  train(trainer, data, 0);

  const std::shared_ptr<nn::Module> module = build_module(e, one_step, data);
  const auto optimizer = make_updates(e, one_step, *module).optimizer;
  nn::StateBlock state(*module, optimizer.get());
  std::memcpy(state.bytes().data(), initial.data(), initial.size());
  std::vector<data::Loader> loaders;
  for (std::uint32_t q = 0; q < 4; ++q) {
    loaders.emplace_back(data::LoaderOptions{.batch_size = 82, .scale = data.scale()});
    loaders.back().start(data.partition(PartitionId(q)), hash64(e.seed, "order", {0, 0, q}));
  }
  for (int step = 0; step < 2; ++step) {
    std::vector<Tensor> x, y;
    for (data::Loader& loader : loaders) {
      const auto batch = loader.next();
      if (batch) x.push_back(batch->x), y.push_back(batch->y);
    }
    EXPECT_EQ(x.size(), step == 0 ? 4U : 2U);
    optimizer->zero_grad();
    backward(cross_entropy((*module)(kernels::cat(x, 0)), kernels::cat(y, 0)));
    optimizer->step();
  }
  const auto here = trainer.module().parameters(), there = module->parameters();
  for (std::size_t i = 0; i < here.size(); ++i) {
    for (std::int64_t j = 0; j < here[i].numel(); ++j) {
      EXPECT_NEAR(here[i].data<float>()[j], there[i].data<float>()[j], 2e-6) << i << " " << j;
    }
  }
}

// ---- PyTorch

TEST_F(ReplicaTrainer, AgreesWithPyTorch) {
  std::map<std::string, Tensor> golden;
  for (const auto& [name, tensor] :
       nn::load_safetensors(source_directory() / "tests/hopper/golden/replicas.safetensors").tensors) {
    golden.emplace(name, tensor);
  }
  data::RawData rows;
  rows.format = "tensors";
  rows.train = data::tensor_source(golden.at("x"), golden.at("y"), 3);
  const data::Dataset data = data::write_dataset(
      rows, *folder_ / "golden", {.name = "golden", .partitions = 2, .shuffle = false, .scale = data::Scale{0, 1}});
  ASSERT_EQ(data.manifest().partitions[0].rows, 6);
  const auto check = [&](const std::string& name, const char* strategy, AverageState average,
                         const std::string& optimizer) {
    Experiment e = experiment(strategy);
    e.model.layers = {"linear 4", "tanh", "linear 3"};
    e.run.replicas.average_state = average;
    Config options = config(7, optimizer, optimizer == "sgd" ? 0.1 : 0.01);
    if (optimizer == "sgd") options.set("momentum", 0.9);
    Trainer trainer(e, ModelId(0), options, data);
    trainer.initialize();
    const std::vector<Tensor> parameters = trainer.module().parameters();
    ASSERT_EQ(parameters.size(), 4U);
    for (std::size_t i = 0; i < 4; ++i) kernels::copy_(parameters[i], golden.at("p" + std::to_string(i)));
    for (std::uint32_t epoch = 0; epoch < 6; ++epoch) train(trainer, data, epoch);
    for (std::size_t i = 0; i < 4; ++i) {
      const Tensor& expected = golden.at(name + ".p" + std::to_string(i));
      for (std::int64_t j = 0; j < expected.numel(); ++j) {
        EXPECT_NEAR(parameters[i].data<float>()[j], expected.data<float>()[j], 1e-6) << name << " " << i << " " << j;
      }
    }
  };
  for (const std::string optimizer : {"sgd", "adam"}) {
    check("allreduce." + optimizer, "allreduce", AverageState::Average, optimizer);
    check("averaging." + optimizer + ".average", "averaging", AverageState::Average, optimizer);
    check("averaging." + optimizer + ".reset", "averaging", AverageState::Reset, optimizer);
  }
}

}  // namespace
}  // namespace hop::hopper
