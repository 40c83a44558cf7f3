// Runs that keep the state of each model's best epoch, judged by shorter runs that end with that epoch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "hopper/run.h"
#include "kernels/copy.h"
#include "nn/predictor.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr std::uint32_t kEpochs = 8;

// Few rows and high rates: the loss on the validation set rises again before the end.
class KeepBest : public OnGlyphs<40, 2> {
 protected:
  static Experiment experiment(std::uint32_t epochs = kEpochs) {
    Experiment e = toy_experiment(*folder_);
    e.model.layers = {"flatten", "linear 32", "relu", "linear 10"};
    e.search.epochs = epochs;
    e.search.objective = Objective::ValidLoss;
    e.search.space = {{"lr", Choices{0.1, 0.03, 0.0003}},
                      {"batch_size", Choices{std::int64_t{4}}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.search.keep = StateFile::Best;
    return e;
  }
  static fs::path at(const std::string& name) { return *folder_ / name; }

  // The SHA-256 of the models that end with this epoch.
  static std::string sha_of_a_run_of(std::uint32_t epochs, ModelId model) {
    Experiment e = experiment(epochs);
    e.search.keep = StateFile::Last;
    return run(e).results.model(model).state_sha256;
  }
  static void expect_best(const Results& results) {
    bool any_earlier = false;
    for (const ModelResult& model : results.models) {
      SCOPED_TRACE(model.id.value);
      ASSERT_TRUE(model.kept_epoch);
      EXPECT_EQ(model.kept_epoch, model.best_epoch);
      EXPECT_EQ(model.kept_sha256, sha_of_a_run_of(*model.kept_epoch, model.id));
      EXPECT_EQ(model.state_sha256, sha_of_a_run_of(kEpochs, model.id));
      EXPECT_EQ(model.valid_loss, model.curve[*model.kept_epoch - 1].valid_loss);
      any_earlier = any_earlier || *model.kept_epoch < kEpochs;
    }
    EXPECT_TRUE(any_earlier) << "a test that shows nothing: every model was best at its end";
  }
  static std::vector<std::string> hashes(const Results& results) {
    std::vector<std::string> all;
    for (const ModelResult& model : results.models) all.push_back(model.kept_sha256 + " " + model.state_sha256);
    return all;
  }
};

TEST_F(KeepBest, IsTheStateThatARunOfThatManyEpochsEndsWith) {
  const Results results = run(experiment(), {.run_directory = at("r")}).results;
  expect_best(results);
  EXPECT_EQ(hashes(inspect(at("r"))), hashes(results));
  const ModelId best = *results.best;
  for (const ModelResult& model : results.models) EXPECT_LE(*results.model(best).valid_loss, *model.valid_loss);
  std::ifstream file(at("r") / "results.json");
  const auto json = nlohmann::json::parse(file);
  EXPECT_EQ(json["models"][0]["kept"]["epoch"], *results.models[0].kept_epoch);
  EXPECT_EQ(json["models"][0]["kept"]["state_sha256"], results.models[0].kept_sha256);
  EXPECT_THAT(leaderboard(results, 0), HasSubstr("best epoch " + std::to_string(*results.models[0].kept_epoch)));
}

TEST_F(KeepBest, IsWhatTheModelAnswersWith) {
  const RunResult result = run(experiment(), {.run_directory = at("answers")});
  const auto found = std::ranges::find_if(result.results.models,
                                          [](const ModelResult& m) { return m.kept_epoch && *m.kept_epoch < kEpochs; });
  ASSERT_NE(found, result.results.models.end());
  const ModelResult& model = *found;
  const Tensor rows = kernels::full({3, 1, 28, 28}, 0.25);
  const auto answers = [&](nn::Predictor predictor) {
    const Tensor outputs = predictor.predict(rows).outputs;
    return std::vector<float>(outputs.data<float>(), outputs.data<float>() + outputs.numel());
  };
  Experiment shorter = experiment(*model.kept_epoch);
  const auto expected = answers(run(shorter, {.run_directory = at("shorter")}).model(model.id));
  EXPECT_EQ(answers(result.model(model.id)), expected);
  EXPECT_EQ(answers(load_predictor(at("answers"), model.id, {}, StateFile::Best)), expected);
  EXPECT_NE(answers(load_predictor(at("answers"), model.id, {}, StateFile::Last)), expected);
}

TEST_F(KeepBest, HoldsForARunThatWasInterruptedAndForOneThatWasExtended) {
  const auto expected = hashes(run(experiment()).results);
  RunControl control;
  RunOptions options{.run_directory = at("stopped"), .control = &control};
  options.progress_interval = Time::zero();
  options.on_progress = [&](const RunProgress& progress) {
    if (progress.units_done >= 7) control.stop();
  };
  EXPECT_EQ(run(experiment(), options).results.outcome, Outcome::Interrupted);
  EXPECT_EQ(hashes(resume(at("stopped")).results), expected);
  run(experiment(3), {.run_directory = at("extended")});
  EXPECT_EQ(hashes(resume(at("extended"), {.epochs = kEpochs}).results), expected);
}

TEST_F(KeepBest, TrainsAgainWhereTheFileIsLost) {
  const auto expected = hashes(run(experiment(), {.run_directory = at("lost")}).results);
  fs::remove(at("lost") / "models" / "0.best.hop");
  std::ofstream(at("lost") / "models" / "1.best.hop") << "damaged";
  const Results results = resume(at("lost")).results;
  EXPECT_EQ(hashes(results), expected);
  EXPECT_NO_THROW(load_model(at("lost"), ModelId(1)));
}

TEST_F(KeepBest, IsAKeyOfTheFile) {
  EXPECT_THAT(to_toml(experiment()), HasSubstr("keep = \"best\""));
  EXPECT_EQ(parse_experiment(to_toml(experiment()), "e.toml").search.keep, StateFile::Best);
}

}  // namespace
}  // namespace hop::hopper
