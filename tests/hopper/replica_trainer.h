// What the tests of replicas in a trainer have in common.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "data/dataset.h"
#include "data/glyphs.h"
#include "hopper/train_unit.h"
#include "tests/hopper/glyphs.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {

class ReplicaTrainer : public testing::Test {
 protected:
  static void SetUpTestSuite() { folder_.emplace(); }
  static void TearDownTestSuite() { folder_.reset(); }

  // 330 glyphs: with four partitions 83, 83, 82 and 82 rows, with three 110 each.
  static data::Dataset dataset(std::uint32_t partitions) {
    const std::filesystem::path folder = *folder_ / ("data-" + std::to_string(partitions));
    if (data::Dataset::is_dataset(folder)) return data::Dataset::open(folder);
    return data::write_dataset(data::glyphs({.train_rows = 330, .test_rows = 64}), folder,
                               {.name = "glyphs", .partitions = partitions, .validation = data::Validation::file()});
  }
  static Experiment experiment(const char* strategy) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 12", "batchnorm1d", "relu", "linear 10"};
    e.search.epochs = 2;
    e.run.strategy = strategy;
    return e;
  }
  static Config config(std::int64_t batch, const std::string& optimizer = "adam", double lr = 0.01) {
    return {{"lr", lr}, {"batch_size", batch}, {"optimizer", optimizer}};
  }
  static std::vector<PartitionId> all_of(const data::Dataset& data) {
    std::vector<PartitionId> all;
    for (std::uint32_t q = 0; q < data.partition_count(); ++q) all.emplace_back(q);
    return all;
  }
  static UnitMetrics train(Trainer& trainer, const data::Dataset& data, std::uint32_t epoch) {
    return train_unit(trainer, Epoch(epoch), all_of(data), [&](PartitionId id) { return data.partition(id); });
  }
  static std::vector<std::byte> state_of(Trainer& trainer) {
    const ByteView bytes = std::as_const(trainer.state()).bytes();
    return {bytes.begin(), bytes.end()};
  }
  /// One replica trains two epochs by each of these experiments, which have names for messages: recorded or not, with
  /// the bits and the losses of plain training. `check` sees the metrics of each epoch.
  static void expect_plain_training(
      const std::vector<std::pair<std::string, Experiment>>& experiments,
      const std::function<void(const UnitMetrics&)>& check = [](const UnitMetrics&) {}) {
    const data::Dataset data = dataset(1);
    for (const bool capture : {true, false}) {
      for (const char* optimizer : {"sgd", "adam"}) {
        Experiment plain = experiment("hopping");
        plain.run.capture = capture;
        Trainer expected(plain, ModelId(0), config(48, optimizer), data);
        expected.initialize();
        const std::vector<UnitMetrics> losses = {train(expected, data, 0), train(expected, data, 1)};
        for (auto [name, e] : experiments) {
          SCOPED_TRACE(name + (capture ? " captured " : " eager ") + optimizer);
          e.run.capture = capture;
          Trainer trainer(e, ModelId(0), config(48, optimizer), data);
          trainer.initialize();
          for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
            const UnitMetrics metrics = train(trainer, data, epoch);
            EXPECT_EQ(metrics.train_loss, losses[epoch].train_loss);
            EXPECT_EQ(metrics.rows, losses[epoch].rows);
            check(metrics);
          }
          EXPECT_EQ(state_of(trainer), state_of(expected));
        }
      }
    }
  }
  static std::int64_t steps_of(Trainer& trainer) {
    for (const nn::Segment& segment : trainer.state().layout().segments) {
      if (segment.name != "optimizer.step") continue;
      std::int64_t steps = 0;
      std::memcpy(&steps, state_of(trainer).data() + segment.offset, sizeof steps);
      return steps;
    }
    return -1;
  }

  static inline std::optional<TemporaryFolder> folder_;
};

}  // namespace hop::hopper
