// The family "dcgan" with the loss "adversarial": against the loop of a C++ program, and in runs. No label is read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "base/hash.h"
#include "data/batches.h"
#include "hopper/run.h"
#include "hopper/trainer.h"
#include "nn/init.h"
#include "nn/models.h"
#include "nn/optim/adam.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/same_bits.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::ThrowsMessage;

class AdversarialRun : public OnGlyphs<320, 4> {
 protected:
  static Experiment experiment() {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.data.scale = data::Scale{127.5, 1 / 127.5};
    e.model.family = "dcgan";
    e.model.loss = "adversarial";
    e.model.metrics.clear();
    e.search.epochs = 2;
    e.search.space = {{"lr", Choices{0.002, 0.0005}},
                      {"width", Choices{std::int64_t{4}}},
                      {"latent", Choices{std::int64_t{8}}},
                      {"batch_size", Choices{std::int64_t{24}}},
                      {"beta1", Choices{0.5}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.workers = 2;
    return e;
  }
  static Config config() {
    return {{"lr", 0.002},
            {"width", std::int64_t{4}},
            {"latent", std::int64_t{8}},
            {"batch_size", std::int64_t{24}},
            {"beta1", 0.5},
            {"optimizer", std::string("adam")}};
  }
};

struct OpenDcgan : nn::models::DCGAN {
  using DCGAN::DCGAN, Module::next_random;
};

// One optimizer for each network, of which both take a step when both gradients are there.
TEST_F(AdversarialRun, TrainsAsTheLoopOfAProgram) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Experiment e = experiment();
  Trainer trainer(e, ModelId(0), config(), data);
  trainer.initialize();
  const double told = trainer.train(data.partition(PartitionId(1)), Epoch(0), PartitionId(1)).train_loss;

  OpenDcgan gan({.latent = 8, .width = 4, .channels = 1, .side = 28});
  nn::init_parameters(gan, hash64(e.seed, "init", {0}));
  gan.set_random_key(hash64(e.seed, "random", {0}));
  optim::Adam of_generator(gan.generator.named_parameters(), {.lr = 0.002, .beta1 = 0.5});
  optim::Adam of_discriminator(gan.discriminator.named_parameters(), {.lr = 0.002, .beta1 = 0.5});
  const auto batches = data::make_batches({.batch_size = 24, .scale = *e.data.scale}, Device::cpu());
  const data::Partition partition = data.partition(PartitionId(1));
  batches->start(partition, hash64(e.seed, "order", {0, 0, 1}));
  double losses = 0;
  while (const std::int64_t rows = batches->next()) {
    gan.set_step(of_generator.step_count());
    const Tensor real = batches->batch().x;
    const Tensor made = gan.generator(randn({rows, 8, 1, 1}, gan.next_random()));
    const Tensor yes = ones({rows}), no = zeros({rows});
    const nn::BCEWithLogitsLoss judged;
    of_discriminator.zero_grad();
    const Tensor on_real = gan.discriminator(real), on_made = gan.discriminator(made.detach());
    const Tensor d_loss = judged(on_real, yes) + judged(on_made, no);
    backward(d_loss);
    const std::vector<Tensor> gradients = [&] {
      std::vector<Tensor> kept;
      for (const Tensor& p : gan.discriminator.parameters()) kept.push_back(clone(p.grad()));
      return kept;
    }();
    of_generator.zero_grad();
    const Tensor g_loss = judged(gan.discriminator(made), yes);
    backward(g_loss);
    std::size_t i = 0;
    for (const Tensor& p : gan.discriminator.parameters()) p.set_grad(gradients[i++]);
    of_discriminator.step();
    of_generator.step();
    losses += (d_loss + g_loss).item<double>() * static_cast<double>(rows);
  }
  for (const nn::NamedTensor& p : gan.state_dict()) {
    const auto here = trainer.module().state_dict();
    const auto found = std::ranges::find(here, p.name, &nn::NamedTensor::name);
    ASSERT_NE(found, here.end()) << p.name;
    const auto bytes = static_cast<std::size_t>(p.tensor.numel()) * size_of(p.tensor.dtype());
    EXPECT_EQ(std::memcmp(found->tensor.raw_data(), p.tensor.raw_data(), bytes), 0) << p.name;
  }
  EXPECT_NEAR(told, losses / 80, 1e-6 * losses / 80);
}

TEST_F(AdversarialRun, HasTheSameBitsForAnyNumberOfWorkersRecordedOrNot) {
  expect_the_same_bits_however_it_runs(experiment(), *folder_ / "two");
}

TEST_F(AdversarialRun, KilledResumesToTheSameBits) {
  expect_the_same_bits_after_a_kill(experiment(), *folder_ / "killed", 7);
}

TEST_F(AdversarialRun, RefusesWhatItCannotDo) {
  const auto refusal = [](const auto& change) {
    Experiment e = experiment();
    change(e);
    try {
      run(e);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal([](Experiment& e) { e.model.metrics = {"accuracy"}; }), HasSubstr("write metrics = []"));
  EXPECT_THAT(refusal([](Experiment& e) {
                e.data.scale = data::Scale{0, 1.0 / 255};
              }),
              testing::IsEmpty())
      << "grey images from 0 to 1 lie within -1 to 1";
  EXPECT_THAT(
      refusal([](Experiment& e) {
        e.data.scale = data::Scale{0, 1};
      }),
      HasSubstr("expected features from -1 to 1 for loss = \"adversarial\", got 0 to 255; write scale = [127.5, "));
  EXPECT_THAT(refusal([](Experiment& e) { e.data.scale = data::Scale{0, -1}; }), HasSubstr("got -255 to 0"));
  EXPECT_THAT(refusal([](Experiment& e) {
                e.model.loss = "elbo";
                e.data.scale = data::Scale{0, 1.0 / 255};
              }),
              HasSubstr("write loss = \"adversarial\""));
  EXPECT_THAT(refusal([](Experiment& e) {
                e.model.family = "vae";
                e.search.space = {{"lr", Choices{0.01}}};
              }),
              HasSubstr("write loss = \"elbo\""));
  EXPECT_THAT(refusal([](Experiment& e) {
                e.model.family = "lenet";
                e.search.space = {{"lr", Choices{0.01}}};
              }),
              HasSubstr("write family = \"dcgan\""));
}

TEST_F(AdversarialRun, GivesItsGeneratorToAProgram) {
  const fs::path directory = *folder_ / "images";
  Experiment e = experiment();
  e.search.epochs = 1;
  run(e, {.run_directory = directory});
  const auto model = std::dynamic_pointer_cast<nn::models::DCGAN>(load_model(directory, ModelId(0)));
  ASSERT_NE(model, nullptr);
  model->eval();
  EXPECT_EQ(model->generator(randn({3, 8, 1, 1}, {.key = 1})).shape(), (Shape{3, 1, 28, 28}));
}

}  // namespace
}  // namespace hop::hopper
