// Runs over a text, from the experiment file to the next character. Judged by a text that tells each next character,
// and by the bits of other ways to the same states.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "hopper/run.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;

class TextRun : public testing::Test {
 protected:
  TextRun() {
    std::ofstream file(folder_ / "book.txt");
    for (int i = 0; i < 40; ++i) file << "hop, skip\n";
  }
  Experiment experiment(const std::vector<std::string>& overrides = {}) const {
    return parse_experiment(R"(
name = "text"
seed = 4
[data]
source = ")" + (folder_ / "book.txt").string() +
                                R"("
partitions = 2
context = 8
[model]
layers = ["embedding $outputs 8", "flatten", "linear 32", "relu", "linear $outputs"]
loss = "cross_entropy"
metrics = ["accuracy", "perplexity"]
[search]
epochs = 12
[search.space]
lr = [0.02]
batch_size = [16]
optimizer = "adam"
[run]
device = "cpu"
)",
                            "text.toml", overrides);
  }
  static std::vector<std::string> hashes(const Results& results) {
    std::vector<std::string> all;
    for (const ModelResult& model : results.models) all.push_back(model.state_sha256);
    return all;
  }
  TemporaryFolder folder_;
};

TEST_F(TextRun, LearnsTheNextCharacterFromAnExperimentFile) {
  const RunResult result = run(experiment());
  const ModelResult& model = result.results.models.at(0);
  EXPECT_EQ(model.valid_accuracy, 1.0);
  ASSERT_EQ(model.own.size(), 1U);
  EXPECT_LT(model.own[0], 1.1) << "perplexity: 1 if every next character is certain, 9 if none is known";
  EXPECT_GE(model.own[0], 1.0);
  // "\n ,hikops" in the order of their code points; "hop, ski" -> "p"
  nn::Predictor predictor = result.best();
  const Tensor window = Tensor::from<std::int64_t>({3, 6, 7, 2, 1, 8, 5, 4}, {1, 8});
  EXPECT_EQ(predictor.class_name(predictor.predict(window).classes.at(0)), "p");
  EXPECT_EQ(predictor.class_name(0), "\\n");
}

TEST_F(TextRun, HasTheSameBitsOnAnyNumberOfWorkersAndWithoutRecordedSteps) {
  const std::vector<std::string> right = hashes(run(experiment({"run.workers=1"})).results);
  EXPECT_EQ(hashes(run(experiment({"run.workers=2"})).results), right);
  EXPECT_EQ(hashes(run(experiment({"run.capture=false"})).results), right);
  EXPECT_NE(hashes(run(experiment({"data.context=7"})).results), right);
}

TEST_F(TextRun, ReadsChecksAndWritesItsKey) {
  const Experiment e = experiment();
  EXPECT_EQ(e.data.context, 8);
  EXPECT_THAT(to_toml(e), HasSubstr("\ncontext = 8\n"));
  EXPECT_EQ(to_toml(parse_experiment(to_toml(e), "copy.toml")), to_toml(e));
  EXPECT_THROW(experiment({"data.context=0"}), ConfigError);
  Experiment bad = e;
  bad.data.context = 0;
  EXPECT_THAT([&] { bad.check(); }, testing::ThrowsMessage<ConfigError>(HasSubstr("[data] context: expected 1 to")));
  bad.data.context.reset();
  EXPECT_NO_THROW(bad.check());
  EXPECT_THAT(to_toml(bad), testing::Not(HasSubstr("context")));
  EXPECT_THAT([&] { run(experiment({"data.context=399"})); },
              testing::ThrowsMessage<DataError>(HasSubstr("or write context = 398")));
}

}  // namespace
}  // namespace hop::hopper
