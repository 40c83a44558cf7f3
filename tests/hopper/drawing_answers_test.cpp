// Layers that draw random numbers in evaluation, too: fractional pooling. A validation has the same bits whichever
// trainer computes it, and a loaded model answers.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "hopper/run.h"
#include "hopper/trainer.h"
#include "kernels/copy.h"
#include "nn/layers/flatten.h"
#include "nn/layers/fractional_pool.h"
#include "nn/layers/linear.h"
#include "nn/layers/sequential.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

class DrawingAnswers : public OnGlyphs<320, 4> {
 protected:
  static Experiment experiment() {
    Experiment e = toy_experiment(*folder_);
    e.seed = 5;
    e.model.builder = [](const Config&, const ModelInput& input) {
      const nn::FractionalPool2dOptions to_four{.output_size = nn::Size2d{4, 4}};
      return std::make_shared<nn::Sequential>(nn::FractionalMaxPool2d(2, to_four), nn::Flatten(),
                                              nn::Linear(input.sample[0] * 16, input.classes));
    };
    e.model.metrics = {"accuracy", "macro_f1"};
    e.search.epochs = 2;
    e.search.space = {{"lr", Choices{0.05, 0.01, 0.002}}, {"batch_size", Choices{std::int64_t{32}}}};
    return e;
  }
};

TEST_F(DrawingAnswers, AreTheSameForAnyNumberOfWorkersRecordedOrNot) {
  Experiment e = experiment();
  e.run.workers = 2;
  const Results two = run(e).results;
  for (const bool captures : {true, false}) {
    e.run.workers = 1;
    e.run.capture = captures;
    const Results one = run(e).results;
    for (const ModelResult& model : two.models) {
      SCOPED_TRACE("model " + std::to_string(model.id.value) + (captures ? "" : ", not recorded"));
      const ModelResult& other = one.model(model.id);
      EXPECT_EQ(model.state_sha256, other.state_sha256);
      ASSERT_EQ(model.curve.size(), other.curve.size());
      for (std::size_t epoch = 0; epoch < model.curve.size(); ++epoch) {
        EXPECT_EQ(model.curve[epoch].valid_loss, other.curve[epoch].valid_loss) << epoch;
      }
    }
  }
}

TEST_F(DrawingAnswers, AreTheSameWheneverATrainerValidates) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Experiment e = experiment();
  const Config config{{"lr", 0.01}, {"batch_size", std::int64_t{32}}, {"optimizer", std::string("sgd")}};
  Trainer trainer(e, ModelId{0}, config, data);
  trainer.initialize();
  UnitMetrics first, second;
  trainer.validate(data.validation(), first);
  trainer.validate(data.validation(), second);
  EXPECT_EQ(first.valid_loss, second.valid_loss);
}

TEST_F(DrawingAnswers, ComeFromALoadedModel) {
  const RunResult result = run(experiment());
  const Tensor x = kernels::full({3, 1, 28, 28}, 0.5);
  EXPECT_EQ((*result.best_model)(x).shape(), (Shape{3, 10}));
}

}  // namespace
}  // namespace hop::hopper
