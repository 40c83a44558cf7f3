// Runs with the tools of training: the same bits for any number of workers, recorded or not, killed and resumed.
#include <gtest/gtest.h>

#include <string>

#include "hopper/run.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/hashes.h"
#include "tests/hopper/killed_run.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

class TrainingToolsRun : public OnGlyphs<320, 4> {
 protected:
  static Experiment run_of_all() {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.run.workers = 2;
    e.model.layers = {"flatten", "dropout 0.1", "linear 16", "batchnorm1d", "relu", "linear 10"};
    e.search.epochs = 3;
    e.search.space = {{"lr", Choices{0.05, 0.01}},
                      {"batch_size", Choices{std::int64_t{24}}},
                      {"optimizer", Choices{std::string("adamw")}},
                      {"amsgrad", Choices{true}},
                      {"accumulate", Choices{std::int64_t{3}}},
                      {"clip_grad_value", Choices{0.01}},
                      {"no_decay", Choices{true}},
                      {"lr_factors", Choices{std::string("2=0.1, 5=2")}},
                      {"schedule", Choices{std::string("plateau")}},
                      {"patience", Choices{std::int64_t{0}}},
                      {"threshold", Choices{0.9}}};
    return e;
  }
};

TEST_F(TrainingToolsRun, HaveTheSameBitsForAnyNumberOfWorkersRecordedOrNot) {
  Experiment e = run_of_all();
  const fs::path directory = *folder_ / "two";
  const Results two = run(e, {.run_directory = directory}).results;
  EXPECT_GT(two.hops, 0U);
  for (const Replayed& replayed : replay(directory)) EXPECT_TRUE(replayed.matches) << replayed.model.value;
  e.run.workers = 1;
  EXPECT_EQ(hashes(run(e).results), hashes(two));
  e.run.capture = false;
  EXPECT_EQ(hashes(run(e).results), hashes(two)) << "not recorded";
  e = run_of_all();
  std::erase_if(e.search.space, [](const auto& entry) { return entry.first == "lr_factors"; });
  EXPECT_NE(hashes(run(e).results), hashes(two)) << "the factors changed no rate";
  e = run_of_all();
  for (auto& [name, values] : e.search.space) {
    if (name == "patience") values = Choices{std::int64_t{1000}};  // the same state, and a rate that stays
  }
  EXPECT_NE(hashes(run(e).results), hashes(two)) << "the plateau lowered no rate";
}

TEST_F(TrainingToolsRun, KilledResumeToTheSameBits) {
  const fs::path directory = *folder_ / "killed";
  ASSERT_NO_FATAL_FAILURE(run_until_killed(run_of_all(), directory, 10));
  EXPECT_EQ(hashes(resume(directory).results), hashes(run(run_of_all()).results));
}

}  // namespace
}  // namespace hop::hopper
