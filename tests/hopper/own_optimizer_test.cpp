// An optimizer that an application writes from tensor operations. What judges: the fused SGD with momentum, whose bits
// it has, in whole runs: captured or not, hopping, killed and resumed, with a model that is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/grad_mode.h"
#include "autograd/ops.h"
#include "data/glyphs.h"
#include "hopper/run.h"
#include "nn/state_file.h"
#include "tests/hopper/killed_run.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

class Momentum final : public optim::Optimizer {
 public:
  Momentum(const optim::ParameterList& parameters, double lr) : Optimizer(parameters, {"momentum_buffer"}, lr) {}
  void step() override {
    const NoGradGuard no_grad;
    for (const auto& [p, gradient, slots, lr_scale, weight_decay_scale] : updates()) {
      write(slots[0], slots[0] * 0.9 + gradient);
      write(p, p - slots[0] * lr_tensor());
    }
    count_step();
  }
};

class OwnOptimizer : public testing::Test {
 protected:
  OwnOptimizer() {
    data::write_dataset(data::glyphs({.train_rows = 320, .test_rows = 64}), folder_ / "data",
                        {.name = "glyphs-320", .partitions = 4, .validation = data::Validation::file()});
  }
  /// Two models that learn, and one that is lost.
  Experiment experiment() const {
    Experiment e;
    e.name = "own";
    e.seed = 11;
    e.data.source = folder_ / "data";
    e.model.layers = {"flatten", "linear 8", "relu", "linear 10"};
    e.search.epochs = 2;
    e.search.space = {{"lr", Choices{0.01, 0.001, 1e8}}};
    e.run.workers = 3;
    return e;
  }
  Experiment own() const {
    Experiment e = experiment();
    e.model.optimizer = [](const Config& config, const optim::ParameterList& parameters) {
      return std::make_unique<Momentum>(parameters, config.number("lr"));
    };
    return e;
  }
  Experiment named() const {
    Experiment e = experiment();
    e.search.space.emplace_back("optimizer", Choices{std::string("sgd")});
    e.search.space.emplace_back("momentum", Choices{0.9});
    return e;
  }
  static std::vector<std::string> facts(const Results& results) {
    std::vector<std::string> facts;
    for (const ModelResult& m : results.models) facts.push_back(m.status + " " + m.state_sha256);
    return facts;
  }

  TemporaryFolder folder_;
};

TEST_F(OwnOptimizer, HasTheBitsOfTheFusedOneCapturedOrNot) {
  const Results expected = run(named()).results;
  Experiment e = own();
  const Results results = run(e).results;
  EXPECT_EQ(facts(results), facts(expected));
  EXPECT_EQ(results.models[2].status, "diverged");
  EXPECT_GT(results.hops, 0U);
  e.run.capture = false;
  EXPECT_EQ(facts(run(e).results), facts(expected)) << "not captured";
}

TEST_F(OwnOptimizer, KeepsItsSlotsInTheState) {
  run(own(), {.run_directory = folder_ / "run"});
  std::vector<std::string> names;
  for (const nn::Segment& segment : nn::read_state_header(folder_ / "run" / "models" / "0.hop").layout.segments)
    names.push_back(segment.name);
  EXPECT_THAT(names, testing::IsSupersetOf({"optimizer.step", "optimizer.momentum_buffer.1.weight"}));
}

TEST_F(OwnOptimizer, KilledResumesToTheSameBits) {
  const fs::path directory = folder_ / "killed";
  ASSERT_NO_FATAL_FAILURE(run_until_killed(own(), directory, 3));
  EXPECT_LT(inspect(directory, own()).models[0].visits.size(), 8U);
  const Results resumed = resume(directory, {}, own()).results;
  EXPECT_EQ(facts(resumed), facts(run(named()).results));
}

}  // namespace
}  // namespace hop::hopper
