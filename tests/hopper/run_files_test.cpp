// What a run leaves, and what it gives to whom asks: its directory, its best model, what turns rows into its input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "autograd/ops.h"
#include "base/error.h"
#include "data/glyphs.h"
#include "hopper/run.h"
#include "nn/layers.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class RunFiles : public testing::Test {
 protected:
  RunFiles() {
    data::write_dataset(data::glyphs({.train_rows = 160, .test_rows = 32}), folder_ / "data",
                        {.name = "glyphs-160", .partitions = 4, .validation = data::Validation::file()});
  }
  Experiment experiment() const {
    Experiment e;
    e.name = "toy";
    e.data.source = folder_ / "data";
    e.model.layers = {"flatten", "linear $width", "relu", "linear 10"};
    e.search.space = {{"lr", Choices{0.01, 0.001, 0.1}}, {"width", Choices{std::int64_t{8}}}};
    return e;
  }
  fs::path fresh(const std::string& name) const { return folder_ / name; }

  TemporaryFolder folder_;
};

TEST_F(RunFiles, GivesWithItsBestModelWhatTurnsRowsIntoItsInput) {
  const RunResult result = run(experiment());
  EXPECT_EQ(result.scaling, (data::Scale{0.0, 1.0 / 255.0}));
  Experiment own = experiment();
  own.data.scale = data::Scale{3, 0.5};
  EXPECT_EQ(run(own).scaling, (data::Scale{3, 0.5}));
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

// An in-process run leaves nothing, and moves no data to do so.
TEST_F(RunFiles, WithoutADirectoryUsesItsDataWhereTheyLie) {
  const auto links = fs::hard_link_count(folder_ / "data" / "part-00000.hopd");
  const auto count = [&] { return fs::hard_link_count(folder_ / "data" / "part-00000.hopd"); };
  RunOptions options;
  options.on_progress = [&](const RunProgress&) { EXPECT_EQ(count(), links); };
  run(experiment(), options);
  run(experiment(), {.run_directory = fresh("linked")});
  EXPECT_EQ(count(), links + 1);
}

// A model that builds, and fails when it computes.
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

}  // namespace
}  // namespace hop::hopper
