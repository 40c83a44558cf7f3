// Models of layers by their text, in whole runs: two workers end with the bits of one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "autograd/creation.h"
#include "hopper/run.h"
#include "tests/hopper/hashes.h"
#include "tests/nn/layer_cases.h"

namespace hop::hopper {
namespace {

using nn::testing::layer_cases;
using nn::testing::LayerCase;

constexpr std::int64_t kRows = 24, kTestRows = 6, kClasses = 10;  // twelve of each partition: a whole batch and a short

std::shared_ptr<const data::RowSource> pictures(std::int64_t rows, std::uint64_t key) {
  return data::tensor_source(rand({rows, 1, 28, 28}, {.key = key}), randint(0, kClasses, {rows}, {.key = key + 1}),
                             kClasses);
}

/// Two models that differ in their learning rate, for one epoch.
Experiment experiment(const LayerCase& c) {
  Experiment e;
  e.name = c.name;
  e.seed = 3;
  e.data.partitions = 2;
  e.data.rows = pictures(kRows, 1);
  e.data.test_rows = pictures(kTestRows, 3);
  e.data.validation = data::Validation::file();
  e.model.layers = c.layers;
  e.search.space = {
      {"lr", Choices{0.01, 0.001}}, {"batch_size", Choices{std::int64_t{7}}}, {"optimizer", Choices{"adam"}}};
  e.run.device = "cpu";
  return e;
}

class LayerRuns : public testing::TestWithParam<LayerCase> {};

TEST_P(LayerRuns, HaveTheSameBitsWithTwoWorkersAsWithOne) {
  Experiment e = experiment(GetParam());
  e.run.workers = 1;
  const Results alone = run(e).results;
  ASSERT_EQ(alone.models.size(), 2U);
  for (const ModelResult& model : alone.models) {
    EXPECT_EQ(model.status, "finished");
    EXPECT_EQ(model.visits.size(), 2U);
    EXPECT_EQ(model.state_sha256.size(), 64U);
  }
  EXPECT_NE(alone.models[0].state_sha256, alone.models[1].state_sha256);
  e.run.workers = 2;
  EXPECT_EQ(hashes(run(e).results), hashes(alone));
}

INSTANTIATE_TEST_SUITE_P(All, LayerRuns, testing::ValuesIn(layer_cases()), [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace hop::hopper
