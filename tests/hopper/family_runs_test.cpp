// Every family that ships, by its name, in whole runs: two workers end with the bits of one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <vector>

#include "autograd/creation.h"
#include "hopper/run.h"
#include "tests/hopper/hashes.h"
#include "tests/nn/family_cases.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

using nn::testing::family_cases;
using nn::testing::FamilyCase;

constexpr std::int64_t kRows = 24, kTestRows = 6;  // twelve of each partition: two batches

/// A hyperparameter as an experiment file would have it: a number or a truth if it reads as one.
Value value_of(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  const char* end = text.data() + text.size();
  std::int64_t whole = 0;
  if (const auto read = std::from_chars(text.data(), end, whole); read.ec == std::errc() && read.ptr == end) {
    return whole;
  }
  double number = 0;
  if (const auto read = std::from_chars(text.data(), end, number); read.ec == std::errc() && read.ptr == end) {
    return number;
  }
  return text;
}

std::shared_ptr<const data::RowSource> pictures(const FamilyCase& c, std::int64_t rows, std::uint64_t key) {
  Shape shape{rows};
  for (const std::int64_t size : c.request.sample) shape.push_back(size);
  const Tensor x = rand(shape, {.key = key});
  if (c.family == "unet") return data::tensor_source(x, rand({rows, c.request.classes}, {.key = key + 1}));
  return data::tensor_source(x, randint(0, c.request.classes, {rows}, {.key = key + 1}), c.request.classes);
}

class FamilyRuns : public testing::TestWithParam<std::string> {
 protected:
  /// Rows of the kind that the family takes.
  void add_data(Experiment& e, const FamilyCase& c) const {
    e.data.partitions = 2;
    if (!c.request.words.empty()) {
      std::ofstream file(folder_ / "rows.csv");
      file << "number,size,color,answer\n";
      for (int i = 0; i < 40; ++i) {
        file << i % 7 << ',' << 3 * i % 11 << ','
             << (i % 3 == 0   ? "red"
                 : i % 3 == 1 ? "blue"
                              : "green")
             << ',' << (i % 4 == 0 ? "yes" : "no") << '\n';
      }
      e.data.source = folder_ / "rows.csv";
      e.data.label = std::string("answer");
      e.data.columns = {{"color", "category"}};
      e.data.categories = data::Categories::index;
    } else if (c.request.sample.size() == 1) {
      std::ofstream file(folder_ / "book.txt");
      for (int i = 0; i < 8; ++i) file << "hop, skip\n";
      e.data.source = folder_ / "book.txt";
      e.data.context = c.request.sample[0];
    } else {
      e.data.rows = pictures(c, kRows, 1);
      e.data.test_rows = pictures(c, kTestRows, 3);
      e.data.validation = data::Validation::file();
    }
  }

  /// Two models that differ in their learning rate, for one epoch.
  Experiment experiment(const FamilyCase& c) const {
    Experiment e;
    e.name = c.family;
    e.seed = 3;
    add_data(e, c);
    e.model.family = c.family;
    if (c.family == "unet") {
      e.model.loss = "mse";
      e.model.metrics = {"rmse"};
    }
    for (const nn::LossRow& loss : nn::losses()) {
      if (loss.family != c.family) continue;
      e.model.loss = std::string(loss.name);
      e.model.metrics = {};
    }
    e.search.space = {
        {"lr", Choices{0.01, 0.001}}, {"batch_size", Choices{std::int64_t{6}}}, {"optimizer", Choices{"adam"}}};
    for (const auto& [name, text] : c.request.config) e.search.space.push_back({name, Choices{value_of(text)}});
    e.run.device = "cpu";
    return e;
  }

  TemporaryFolder folder_;
};

TEST_P(FamilyRuns, HaveTheSameBitsWithTwoWorkersAsWithOne) {
  const std::vector<FamilyCase> cases = family_cases();
  const auto c = std::ranges::find(cases, GetParam(), &FamilyCase::family);
  ASSERT_NE(c, cases.end()) << "no case of this family";
  Experiment e = experiment(*c);
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

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const nn::FamilyRow& row : nn::families()) names.emplace_back(row.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(All, FamilyRuns, testing::ValuesIn(family_names()),
                         [](const auto& family) { return family.param; });

}  // namespace
}  // namespace hop::hopper
