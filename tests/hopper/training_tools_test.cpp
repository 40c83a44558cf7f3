// The tools of training by name: accumulate, clip_grad_value, no_decay, the schedule "plateau" and schedules by epoch,
// against the loop that a user of the library would write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "base/hash.h"
#include "data/batches.h"
#include "hopper/build_model.h"
#include "hopper/detail/run_checks.h"
#include "hopper/trainer.h"
#include "nn/clip_grad.h"
#include "nn/families.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/by_name.h"
#include "nn/optim/carried_plateau.h"
#include "nn/optim/no_decay.h"
#include "nn/optim/sgd.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;

// Four partitions of 80 rows: batches of 24, 24, 24 and 8.
class TrainingTools : public OnGlyphs<320, 4> {
 protected:
  static Experiment experiment() {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "linear 16", "layernorm", "relu", "linear 10"};
    e.run.workers = 2;
    return e;
  }
  static Config with(std::initializer_list<Config::Entry> more) {
    Config config = {{"lr", 0.05}, {"batch_size", std::int64_t{24}}, {"optimizer", std::string("adamw")}};
    for (const auto& [name, value] : more) config.set(name, value);
    return config;
  }
  static data::Dataset dataset() { return data::Dataset::open(*folder_ / "data"); }

  /// What the plain loop does beside the update.
  struct Loop {
    std::int64_t accumulate = 1;
    double clip_value = 0, clip_norm = 0;
    bool no_decay = false;
  };
  /// Two passes over a partition, as a program of the library writes them.
  static std::shared_ptr<nn::Module> plain(const Config& config, const data::Dataset& data, const Loop& loop) {
    const Experiment e = experiment();
    const std::shared_ptr<nn::Module> module = build_module(e, config, data);
    nn::init_parameters(*module, hash64(e.seed, "init", {0}));
    nn::ConfigText settings;
    for (const auto& [name, value] : config.entries())
      settings.emplace(name,
                       std::holds_alternative<std::string>(value) ? std::get<std::string>(value) : to_text(value));
    const auto optimizer = optim::make_optimizer(settings, module->named_parameters());
    if (loop.no_decay) optim::keep_from_decay(*optimizer, *module);
    const auto batches = data::make_batches({.batch_size = 24, .scale = data.scale()}, Device::cpu());
    for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
      const data::Partition partition = data.partition(PartitionId(1));
      batches->start(partition, hash64(e.seed, "order", {0, epoch, 1}));
      std::vector<std::pair<Tensor, Tensor>> rows;
      while (batches->next() != 0) {
        const data::Batch batch = batches->batch();
        rows.emplace_back(clone(batch.x), clone(batch.y));
      }
      const auto count = static_cast<std::int64_t>(rows.size());
      for (std::int64_t i = 0; i < count; i += loop.accumulate) {
        const std::int64_t end = std::min(i + loop.accumulate, count);
        optimizer->zero_grad();
        for (std::int64_t k = i; k < end; ++k) {
          const auto& [x, y] = rows[static_cast<std::size_t>(k)];
          const Tensor loss = cross_entropy((*module)(x), y);
          backward(end - i == 1 ? loss : loss / static_cast<double>(end - i));
        }
        if (loop.clip_value > 0) nn::clip_grad_value_(*module, loop.clip_value);
        if (loop.clip_norm > 0) nn::clip_grad_norm_(*module, loop.clip_norm);
        optimizer->step();
      }
    }
    return module;
  }
  static void expect_same_weights(const Trainer& trainer, nn::Module& right, const std::string& what) {
    for (const nn::NamedTensor& p : right.named_parameters()) {
      const auto here = const_cast<Trainer&>(trainer).module().named_parameters();
      const auto found = std::ranges::find(here, p.name, &nn::NamedTensor::name);
      ASSERT_NE(found, here.end()) << p.name;
      const auto bytes = static_cast<std::size_t>(p.tensor.numel()) * sizeof(float);
      EXPECT_EQ(std::memcmp(found->tensor.raw_data(), p.tensor.raw_data(), bytes), 0) << what << ": " << p.name;
    }
  }
  static void expect_plain(const Config& config, const Loop& loop, std::int64_t steps_of_a_pass) {
    const data::Dataset data = dataset();
    for (const bool captures : {true, false}) {
      Experiment e = experiment();
      e.run.capture = captures;
      Trainer trainer(e, ModelId(0), config, data);
      trainer.initialize();
      for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
        const UnitMetrics metrics = trainer.train(data.partition(PartitionId(1)), Epoch(epoch), PartitionId(1));
        EXPECT_EQ(metrics.rows, 80U);
      }
      const std::shared_ptr<nn::Module> right = plain(config, data, loop);
      expect_same_weights(trainer, *right, config.to_text() + (captures ? ", recorded" : ""));
      EXPECT_EQ(steps_per_epoch(e, config, data), 4 * steps_of_a_pass);
    }
  }
  static std::string refusal(const Config& config, const Experiment& e = experiment()) {
    const data::Dataset data = dataset();
    try {
      const Trainer trainer(e, ModelId(0), config, data);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(TrainingTools, AccumulateBatchesAsThePlainLoopDoes) {
  expect_plain(with({{"accumulate", std::int64_t{1}}}), {}, 4);
  expect_plain(with({{"accumulate", std::int64_t{2}}}), {.accumulate = 2}, 2);
  expect_plain(with({{"accumulate", std::int64_t{3}}}), {.accumulate = 3},
               2);  // three batches, and the short one alone
  expect_plain(with({{"accumulate", std::int64_t{9}}}), {.accumulate = 9}, 1);
}

TEST_F(TrainingTools, LimitGradientsAsThePlainLoopDoes) {
  expect_plain(with({{"clip_grad_value", 0.002}}), {.clip_value = 0.002}, 4);
  expect_plain(with({{"clip_grad_value", 0.002}, {"clip_grad_norm", 0.01}, {"accumulate", std::int64_t{2}}}),
               {.accumulate = 2, .clip_value = 0.002, .clip_norm = 0.01}, 2);
}

TEST_F(TrainingTools, KeepNormsAndBiasesFromDecayAsThePlainLoopDoes) {
  expect_plain(with({{"no_decay", true}, {"weight_decay", 0.5}}), {.no_decay = true}, 4);
  expect_plain(with({{"no_decay", false}, {"weight_decay", 0.5}}), {}, 4);
}

TEST_F(TrainingTools, RefuseWhatTheyCannotDo) {
  EXPECT_EQ(refusal(with({{"accumulate", std::int64_t{0}}})),
            "[search.space] accumulate: expected 1 to 1000000 batches, got 0");
  EXPECT_EQ(refusal(with({{"clip_grad_value", -1.0}})), "[search.space] clip_grad_value: expected at least 0, got -1");
  EXPECT_EQ(refusal(with({{"clip_grad_norm", -1.0}})), "[search.space] clip_grad_norm: expected at least 0, got -1");
  EXPECT_THAT(refusal(with({{"no_decay", std::string("norms")}})), HasSubstr("no_decay"));
  EXPECT_EQ(refusal(with({{"schedule_by", std::string("batch")}})),
            "[search.space] schedule_by: expected \"step\" or \"epoch\", got \"batch\"");
  for (const char* strategy : {"allreduce", "averaging"}) {
    Experiment e = experiment();
    e.run.strategy = strategy;
    EXPECT_EQ(refusal(with({{"accumulate", std::int64_t{2}}}), e),
              "[search.space] accumulate: expected 1 with a strategy whose replicas share steps, got 2: a step has a "
              "batch of each replica already; leave accumulate out, or write strategy = \"hopping\"");
  }
  Experiment e = experiment();
  e.model.swa_start = 1;
  e.model.swa_lr = 0.01;
  EXPECT_THAT(refusal(with({{"schedule", std::string("plateau")}}), e), HasSubstr("swa_lr"));
}

// The batches of a step have the same count of steps, so their random numbers need keys of their own.
class Masked final : public nn::Module {
 public:
  std::vector<std::vector<float>>& masks;
  nn::Dropout dropout = register_module("dropout", nn::Dropout(0.5));
  nn::Linear linear;
  Masked(std::int64_t inputs, std::vector<std::vector<float>>& seen)
      : masks(seen), linear(register_module("linear", nn::Linear(inputs, 10))) {}
  Tensor forward(const Tensor& x) override {
    const Tensor mask = dropout(ones({64}));
    masks.emplace_back(mask.data<float>(), mask.data<float>() + 64);
    return linear(flatten(x, 1));
  }
};

TEST_F(TrainingTools, DrawOtherNumbersForEachBatchOfAStep) {
  std::vector<std::vector<float>> masks;
  Experiment e = experiment();
  e.model.layers.clear();
  e.model.builder = [&](const Config&, const ModelInput& input) {
    return std::make_shared<Masked>(input.sample.numel(), masks);
  };
  const data::Dataset data = dataset();
  const auto train = [&](std::int64_t accumulate) {
    Trainer trainer(e, ModelId(0), with({{"accumulate", accumulate}}), data);
    trainer.initialize();
    masks.clear();
    trainer.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0));
    EXPECT_EQ(masks.size(), 4U);
    for (std::size_t i = 0; i < masks.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) EXPECT_NE(masks[i], masks[k]) << accumulate << ": " << i << " " << k;
    }
    return masks;
  };
  const auto alone = train(1), together = train(4);
  EXPECT_EQ(alone[0], together[0]);  // the first batch has the usual key
}

// As a program does: an epoch of training, a validation, a step of the scheduler.
TEST_F(TrainingTools, FollowThePlateauAsThePlainLoopDoes) {
  const data::Dataset data = dataset();
  for (const char* objective : {"valid_loss", "valid_accuracy", "train_loss"}) {
    Experiment e = experiment();
    e.search.objective = parse_objective(objective);
    const bool is_accuracy = std::string(objective) == "valid_accuracy";
    const Config of_plateau = with(
        {{"schedule", std::string("plateau")}, {"factor", 0.5}, {"patience", std::int64_t{0}}, {"threshold", 0.3}});
    Trainer trainer(e, ModelId(0), of_plateau, data), right(e, ModelId(0), with({}), data);
    trainer.initialize();
    right.initialize();
    optim::SGD rates(std::vector{zeros({1}).set_requires_grad()}, {.lr = 0.05});
    optim::ReduceLROnPlateau scheduler(rates, {.mode = is_accuracy ? optim::Extremum::max : optim::Extremum::min,
                                               .factor = 0.5,
                                               .patience = 0,
                                               .threshold = 0.3});
    int lowered = 0;
    for (std::uint32_t epoch = 0; epoch < 5; ++epoch) {
      right.assign(ModelId(0), with({{"lr", rates.lr()}}));
      UnitMetrics metrics, expected;
      for (std::uint32_t p = 0; p < 4; ++p) {
        trainer.train(data.partition(PartitionId(p)), Epoch(epoch), PartitionId(p));
        right.train(data.partition(PartitionId(p)), Epoch(epoch), PartitionId(p));
      }
      trainer.validate(data.validation(), metrics);
      trainer.learn_validation(metrics);
      right.validate(data.validation(), expected);
      right.learn_validation(expected);
      EXPECT_EQ(metrics.valid_loss, expected.valid_loss) << objective << " " << epoch;
      lowered += scheduler.step(is_accuracy ? *expected.valid_accuracy : *expected.valid_loss) ? 1 : 0;
      expect_same_weights(trainer, right.module(), objective);
    }
    EXPECT_GT(lowered, 0) << objective;
    EXPECT_LT(lowered, 5) << objective;
  }
}

TEST_F(TrainingTools, CountStepsOrEpochsInSchedules) {
  const data::Dataset data = dataset();
  Experiment e = experiment();
  e.search.epochs = 4;
  const Config config =
      with({{"schedule", std::string("step")}, {"gamma", 0.5}, {"schedule_by", std::string("epoch")}});
  const optim::LRSchedule by_epoch = make_schedule(e, config, data, 1);
  for (std::int64_t t = 0; t < 64; ++t) EXPECT_EQ(by_epoch(t), 0.05 * std::pow(0.5, t / 16)) << t;
  const optim::LRSchedule cosine =
      make_schedule(e, with({{"schedule", std::string("cosine")}, {"schedule_by", std::string("epoch")}}), data, 1);
  EXPECT_DOUBLE_EQ(cosine(2 * 16), 0.025);  // in the middle of four epochs
  EXPECT_EQ(cosine(3 * 16), cosine(4 * 16 - 1));
}

// Training reads these names, so a layer with a number of that name would train otherwise than it says.
TEST_F(TrainingTools, RefuseALayerThatHasANameOfTraining) {
  const auto refusal_of = [](const std::string& name, Value value, std::initializer_list<Config::Entry> more = {}) {
    Experiment e = experiment();
    e.model.layers = {"flatten", "linear 16", "dropout ${" + name + "}", "linear 10"};
    Config config = with(more);
    config.set(name, std::move(value));
    if (std::holds_alternative<double>(config.entries().back().second)) {
      EXPECT_NO_THROW(build_module(e, config, dataset())) << name << ": an older model can be loaded";
    }
    const ModelConfig model{ModelId(0), config};
    EXPECT_THAT(refusal(config, e), ::testing::Not(HasSubstr("expected another name")))
        << name << ": an older run goes on";
    try {
      check_new_run(e, dataset(), {&model, 1});
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal_of("accumulate", std::int64_t{1}),
            "[model] layers: expected another name than $accumulate, which training reads from the same "
            "hyperparameter; write $layer_accumulate, and layer_accumulate in [search.space]");
  EXPECT_THAT(refusal_of("clip_grad_value", 0.5), HasSubstr("$layer_clip_grad_value"));
  for (const char* name : {"no_decay", "amsgrad", "maximize"})
    EXPECT_THAT(refusal_of(name, false), HasSubstr(std::string("$layer_") + name));
  EXPECT_THAT(refusal_of("schedule_by", std::string("step")), HasSubstr("$layer_schedule_by"));
  const Config::Entry plateau = {"schedule", std::string("plateau")};
  for (const char* name : {"factor", "patience", "threshold", "cooldown", "min_lr"}) {
    EXPECT_EQ(refusal_of(name, 0.5), "") << name << ": training does not read it";
    EXPECT_THAT(refusal_of(name, 0.5, {plateau}), HasSubstr(std::string("$layer_") + name));
  }
  for (const char* name : {"weight_decay", "eps", "momentum", "gamma", "clip_grad_norm", "lr", "dropout"})
    EXPECT_EQ(refusal_of(name, 0.5), "") << name << " could always be shared";
}

TEST_F(TrainingTools, HaveNoNameOfAFamily) {
  const std::vector<std::string> training = names_read(ModelOptions{});
  for (const nn::FamilyRow& row : nn::families()) {
    for (const auto& [name, fallback] : row.settings)
      EXPECT_FALSE(std::ranges::find(training, std::string(name)) != training.end()) << row.name << ": " << name;
  }
}

TEST_F(TrainingTools, TellTrainersOfAPlateauApart) {
  const Experiment e = experiment();
  const Config plain = with({}), plateau = with({{"schedule", std::string("plateau")}}),
               other = with({{"schedule", std::string("plateau")}, {"patience", std::int64_t{3}}});
  EXPECT_NE(architecture_key(e, ModelId(0), plain), architecture_key(e, ModelId(0), plateau));
  EXPECT_EQ(architecture_key(e, ModelId(0), plateau), architecture_key(e, ModelId(0), other));
}

}  // namespace
}  // namespace hop::hopper
