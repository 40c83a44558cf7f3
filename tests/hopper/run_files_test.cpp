// The results of a run: its directory, its best model, and the columns' scales that turn rows into the model's input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <utility>

#include "autograd/ops.h"
#include "base/error.h"
#include "hopper/detail/run_checks.h"
#include "hopper/run.h"
#include "kernels/copy.h"
#include "kernels/threads.h"
#include "nn/layers.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class RunFiles : public testing::Test {
 protected:
  RunFiles() { write_glyphs(folder_, 160, 4); }
  Experiment experiment() const {
    Experiment e = toy_experiment(folder_);
    e.model.layers = {"flatten", "linear $width", "relu", "linear 10"};
    e.search.space = {{"lr", Choices{0.01, 0.001, 0.1}}, {"width", Choices{std::int64_t{8}}}};
    return e;
  }
  fs::path fresh(const std::string& name) const { return folder_ / name; }

  TemporaryFolder folder_;
};

TEST_F(RunFiles, GivesWithItsBestModelWhatTurnsRowsIntoItsInput) {
  const RunResult result = run(experiment());
  EXPECT_EQ(result.schema.scale, (data::Scale{0.0, 1.0 / 255.0}));
  Experiment own = experiment();
  own.data.scale = data::Scale{3, 0.5};
  EXPECT_EQ(run(own).schema.scale, (data::Scale{3, 0.5}));
}

TEST_F(RunFiles, SaysWhyThereIsNoModelToLoad) {
  EXPECT_THAT([&] { load_model("", ModelId(0)); }, ThrowsMessage<ConfigError>(HasSubstr("RunResult::best_model")));
  EXPECT_THAT([&] { load_model(fresh("nowhere"), ModelId(0)); },
              ThrowsMessage<ConfigError>(HasSubstr("nothing is there")));
  run(experiment(), {.run_directory = fresh("some")});
  EXPECT_THAT([&] { load_model(fresh("some"), ModelId(9)); }, ThrowsMessage<ConfigError>(HasSubstr("no model 9")));
  fs::copy_file(fresh("some") / "models" / "2.hop", fresh("some") / "models" / "0.hop",
                fs::copy_options::overwrite_existing);
  EXPECT_THAT([&] { load_model(fresh("some"), ModelId(0)); },
              ThrowsMessage<StateError>(HasSubstr("as the journal has it")));
}

// A run within the application leaves no files and moves no data.
TEST_F(RunFiles, WithoutADirectoryUsesItsDataWhereTheyLie) {
  const auto links = fs::hard_link_count(folder_ / "data" / "part-00000.hopd");
  const auto count = [&] { return fs::hard_link_count(folder_ / "data" / "part-00000.hopd"); };
  RunOptions options;
  options.on_progress = [&](const RunProgress&) { EXPECT_EQ(count(), links); };
  run(experiment(), options);
  run(experiment(), {.run_directory = fresh("copied")});
  EXPECT_EQ(count(), links) << "a run with a directory has copies";
}

TEST_F(RunFiles, GivesAModelWhoseRowsAreGone) {
  run(experiment(), {.run_directory = fresh("bare")});
  for (const char* file : {"part-00000.hopd", "part-00003.hopd", "valid.hopd"}) {
    fs::remove(fresh("bare") / "data" / file);
  }
  EXPECT_NE(load_model(fresh("bare"), ModelId(0)), nullptr);
  EXPECT_EQ(run_schema(fresh("bare")).scale, (data::Scale{0.0, 1.0 / 255.0}));
  EXPECT_EQ(run_dataset(fresh("bare")).classes(), 10);
}

TEST_F(RunFiles, OfRowsInMemoryHaveNoSourceThatChanges) {
  Experiment e = experiment();
  e.data.source.clear();
  e.data.rows = data::tensor_source(kernels::ones({100, 4}, DType::f32), kernels::zeros({100}, DType::i64), 2);
  e.model.layers = {"linear 2"};
  e.search.space = {{"lr", Choices{0.01}}};
  run(e, {.run_directory = fresh("memory")});
  EXPECT_EQ(source_change(fresh("memory")), "");
}

TEST_F(RunFiles, AReplayLeavesTheCallersThreadsAlone) {
  run(experiment(), {.run_directory = fresh("replayed")});
  kernels::set_compute_threads(2);
  replay(fresh("replayed"), ModelId(0));
  EXPECT_EQ(kernels::compute_threads(), 2);
  kernels::set_compute_threads(1);
}

// A model that builds, and fails when it computes.
// Nothing that was trained is lost: the private directory stays, as the error says.
TEST_F(RunFiles, WithoutADirectoryStayWhereTheDataChangedMeanwhile) {
  fs::path file;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "data")) {
    if (entry.path().extension() == ".hopd") file = entry.path();
  }
  ASSERT_FALSE(file.empty());
  const auto flip = [&] {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(-8, std::ios::end);  // the last label: of ten classes, it becomes another one
    const int low = bytes.get();
    bytes.seekp(-8, std::ios::end);
    bytes.put(static_cast<char>(low ^ 1));
  };
  bool is_changed = false;
  RunOptions options;
  options.progress_interval = std::chrono::milliseconds(1);
  options.on_progress = [&](const RunProgress& progress) {
    if (progress.units_done > 0 && !std::exchange(is_changed, true)) flip();
  };
  std::string error;
  try {
    Experiment e = experiment();
    e.run.workers = 1;  // it has checked all files before its first unit is done
    run(e, options);
  } catch (const DataError& damaged) {
    error = damaged.what();
  }
  ASSERT_TRUE(is_changed);
  std::smatch words;
  ASSERT_TRUE(std::regex_search(error, words, std::regex("changed rows\\. (.*)/results\\.json has the results")))
      << error;
  const fs::path directory = words[1].str();
  EXPECT_TRUE(fs::exists(directory / "results.json")) << error;
  flip();
  EXPECT_TRUE(resume(directory).results.data_damage.empty());
  fs::remove_all(directory);
}

TEST_F(RunFiles, NeedAPatienceThatAWorkerCanMeet) {
  RunOptions options{.run_directory = fresh("hasty"), .patience = std::chrono::milliseconds(500)};
  const auto is_told =
      ThrowsMessage<ConfigError>(HasSubstr("RunOptions::patience: expected 1 to 1000000 seconds, got 0.5"));
  EXPECT_THAT([&] { run(experiment(), options); }, is_told);
  EXPECT_FALSE(fs::exists(fresh("hasty")));
  options.patience.reset();
  run(experiment(), options);
  EXPECT_THAT([&] { resume(fresh("hasty"), {.patience = std::chrono::milliseconds(500)}); }, is_told);
}

TEST_F(RunFiles, ThatSetsEveryModelAsideThrowsTheFirstReason) {
  struct Broken : nn::Module {
    explicit Broken(std::int64_t classes) : out(register_module("out", nn::Linear(784, classes))) {}
    Tensor forward(const Tensor& x) override {
      if (x.size(0) > 1) throw ShapeError("[forward] expected a better model");
      return out(flatten(x, 1));
    }
    nn::Linear out;
  };
  Experiment e = experiment();
  e.model.layers.clear();
  e.model.builder = [](const Config&, const ModelInput& input) { return std::make_shared<Broken>(input.classes); };
  EXPECT_THAT([&] { run(e, {.run_directory = fresh("aside")}); },
              ThrowsMessage<RunError>(AllOf(HasSubstr("all 3"), HasSubstr("model 0"), HasSubstr("a better model"))));
  EXPECT_TRUE(fs::exists(fresh("aside") / "results.json")) << "the run ended, and says how";
  EXPECT_THROW(resume(fresh("aside"), {}, e.model.builder), RunError);
  EXPECT_THAT([&] { load_model(fresh("aside"), ModelId(0), e.model.builder); },
              ThrowsMessage<StateError>(HasSubstr("was set aside: ")));
}

// Such as a message that prints a tensor: no message takes it whole, and the model is set aside as for any other.
TEST_F(RunFiles, ThatSetsAModelAsideWithMegabytesOfTextSaysItsBeginning) {
  struct Talkative : nn::Module {
    explicit Talkative(std::int64_t classes) : out(register_module("out", nn::Linear(784, classes))) {}
    Tensor forward(const Tensor& x) override {
      if (x.size(0) > 1) throw ShapeError("[forward] expected less, got " + std::string(std::size_t{3} << 20U, 'x'));
      return out(flatten(x, 1));
    }
    nn::Linear out;
  };
  Experiment e = experiment();
  e.model.layers.clear();
  e.model.builder = [](const Config&, const ModelInput& input) { return std::make_shared<Talkative>(input.classes); };
  EXPECT_THAT([&] { run(e, {.run_directory = fresh("talkative")}); },
              ThrowsMessage<RunError>(AllOf(HasSubstr("all 3 set aside"), HasSubstr("expected less, got xxx"))));
  EXPECT_EQ(inspect(fresh("talkative")).model(ModelId(0)).status, "quarantined");
}

TEST(FirstDifferentLine, IsThatOfBothTexts) {
  const auto expect = [](std::string_view one, std::string_view other, const DifferentLine& expected) {
    const DifferentLine found = first_different_line(one, other);
    EXPECT_EQ(found.line, expected.line) << one;
    EXPECT_EQ(found.one, expected.one);
    EXPECT_EQ(found.other, expected.other);
  };
  expect("a\nlr = 0.1\nb\n", "a\nlr = 0.2\nc\n", {2, "lr = 0.1", "lr = 0.2"});
  expect("lr", "ls", {1, "lr", "ls"});
  expect("a\n", "a\nb\n", {2, "", "b"});
  expect("a\nbc\n", "a\nb\nc\n", {2, "bc", "b"});
}

}  // namespace
}  // namespace hop::hopper
