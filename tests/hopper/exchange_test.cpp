// What stands between backward and update: the judge is a trainer without an exchange, or with another loss.
#include "hopper/strategy/exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "autograd/ops.h"
#include "base/bytes.h"
#include "base/error.h"
#include "data/glyphs.h"
#include "hopper/trainer.h"
#include "kernels/copy.h"
#include "nn/layers.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

/// An exchange that is a function.
struct Do final : Exchange {
  using F = std::function<void(const Tensor& gradients, std::int64_t rows)>;
  explicit Do(F f) : f_(std::move(f)) {}
  void exchange(const Tensor& gradients, std::int64_t rows) override { f_(gradients, rows); }
  F f_;
};

std::span<float> values(const Tensor& block) { return {block.data<float>(), static_cast<std::size_t>(block.numel())}; }

// Two partitions of 200 rows, in batches of 48 and one of 8.
class Exchanges : public testing::TestWithParam<bool> {
 protected:
  static void SetUpTestSuite() {
    folder_.emplace();
    data::write_dataset(data::glyphs({.train_rows = 400, .test_rows = 64}), *folder_ / "data",
                        {.name = "glyphs", .partitions = 2, .validation = data::Validation::file()});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  Exchanges() : data_(data::Dataset::open(*folder_ / "data")) {
    experiment_.seed = 11;
    experiment_.data.source = *folder_ / "data";
    experiment_.model.layers = {"flatten", "dropout 0.1", "linear 16", "relu", "linear 10"};
    experiment_.run.capture = GetParam();
  }

  Trainer trainer() const { return {experiment_, ModelId(0), config_, data_}; }

  // The state after two epochs, and the sum of the losses.
  std::pair<Digest, double> train(Trainer& trainer, std::shared_ptr<Exchange> exchange = nullptr) const {
    trainer.set_exchange(std::move(exchange));
    trainer.initialize();
    double loss = 0;
    for (std::uint32_t unit = 0; unit < 4; ++unit) {
      const PartitionId id(unit % 2);
      loss += trainer.train(data_.partition(id), Epoch(unit / 2), id).train_loss;
    }
    return {trainer.state().digest(), loss};
  }
  std::pair<Digest, double> train(std::shared_ptr<Exchange> exchange = nullptr) const {
    Trainer fresh = trainer();
    return train(fresh, std::move(exchange));
  }

  Experiment experiment_;
  Config config_ = {{"lr", 0.01}, {"batch_size", std::int64_t{48}}, {"optimizer", std::string("sgd")}};
  const data::Dataset data_;
  static inline std::optional<TemporaryFolder> folder_;
};

INSTANTIATE_TEST_SUITE_P(EagerAndCaptured, Exchanges, testing::Bool());

TEST_P(Exchanges, ThatDoNothingChangeNothing) {
  for (const char* optimizer : {"sgd", "adam"}) {
    config_.set("optimizer", std::string(optimizer));
    Trainer alone = trainer(), exchanging = trainer();
    EXPECT_EQ(train(alone), train(exchanging, std::make_shared<Do>([](const Tensor&, std::int64_t) {}))) << optimizer;
    // A whole and a short batch: a recording for each, or two that end before the update, and the update.
    EXPECT_EQ(alone.recordings(), GetParam() ? 2U : 0U);
    EXPECT_EQ(exchanging.recordings(), GetParam() ? 3U : 0U);
  }
}

TEST_P(Exchanges, ThatDoubleTheGradientsDoAsADoubledLoss) {
  const auto doubled = std::make_shared<Do>([](const Tensor& gradients, std::int64_t) {
    for (float& g : values(gradients)) g *= 2;
  });
  const auto [exchanged, loss] = train(doubled);
  EXPECT_NE(exchanged, train().first);
  experiment_.model.loss = [](const Tensor& output, const Tensor& y) { return cross_entropy(output, y) * 2.0; };
  const auto [expected, twice] = train();
  EXPECT_EQ(exchanged, expected);
  EXPECT_EQ(loss * 2, twice);
}

TEST_P(Exchanges, AreCalledOncePerStepWithTheWholeBlock) {
  Trainer asked = trainer();
  std::vector<std::int64_t> rows;
  const auto look = [&](const Tensor& gradients, std::int64_t batch) {
    rows.push_back(batch);
    EXPECT_EQ(gradients.dtype(), DType::f32);
    EXPECT_TRUE(gradients.is_contiguous());
    std::size_t offset = 0;
    for (const auto& [name, parameter] : asked.module().named_parameters()) {
      EXPECT_EQ(parameter.grad().raw_data(), gradients.raw_data() + offset) << name;
      offset += align_up(static_cast<std::size_t>(parameter.numel()) * sizeof(float));
    }
    EXPECT_EQ(static_cast<std::size_t>(gradients.numel()) * sizeof(float), offset);
  };
  train(asked, std::make_shared<Do>(look));
  ASSERT_EQ(rows.size(), 20U);
  for (std::size_t unit = 0; unit < 4; ++unit) {
    EXPECT_THAT(std::span(rows).subspan(unit * 5, 5), ElementsAre(48, 48, 48, 48, 8));
  }
}

// A layer that no loss reaches.
struct HalfUsed : nn::Module {
  HalfUsed()
      : used(register_module("used", nn::Linear(28 * 28, 10))), unused(register_module("unused", nn::Linear(4, 4))) {}
  Tensor forward(const Tensor& x) override { return used(nn::Flatten()(x)); }
  nn::Linear used, unused;
};

TEST_P(Exchanges, SeeZerosWhereNoLossReaches) {
  experiment_.model.layers.clear();
  experiment_.model.builder = [](const Config&, const ModelInput&) { return std::make_shared<HalfUsed>(); };
  experiment_.model.capture_builder = true;
  Trainer half = trainer();
  const auto weights_of = [&](const char* name) {
    for (const auto& [known, parameter] : half.module().named_parameters()) {
      if (known == name) return values(parameter);
    }
    return std::span<float>();
  };
  std::vector<float> before;
  const auto look = [&](const Tensor& gradients, std::int64_t) {
    const std::span<const float> unused = weights_of("unused.weight");
    if (before.empty()) before.assign(unused.begin(), unused.end());
    const std::span<float> block = values(gradients);
    const std::span<float> unused_part = block.last(2 * kAlignment / sizeof(float)).first(4 * 4 + 4);
    EXPECT_THAT(unused_part, Each(0)) << "the layer's weight (4, 4), which fills 64 bytes, and its bias";
    for (float& g : block) g += 1;
  };
  train(half, std::make_shared<Do>(look));
  EXPECT_THAT(weights_of("unused.weight"), testing::ElementsAreArray(before));
}

TEST_P(Exchanges, MayFail) {
  Trainer failing = trainer();
  failing.set_exchange(std::make_shared<Do>([](const Tensor&, std::int64_t) { throw NetError("nobody answers"); }));
  failing.initialize();
  EXPECT_THROW(failing.train(data_.partition(PartitionId(0)), Epoch(0), PartitionId(0)), NetError);
}

struct Doubles : nn::Module {
  Doubles() : weight(register_parameter("weight", kernels::zeros({10}, DType::f64))) {}
  Tensor forward(const Tensor& x) override { return x; }
  Tensor weight;
};

TEST_P(Exchanges, AreForParametersInF32) {
  experiment_.model.layers.clear();
  experiment_.model.builder = [](const Config&, const ModelInput&) { return std::make_shared<Doubles>(); };
  Trainer doubles = trainer();
  EXPECT_THAT([&] { doubles.set_exchange(std::make_shared<Do>([](const Tensor&, std::int64_t) {})); },
              testing::ThrowsMessage<DtypeError>(HasSubstr("expected f32 parameters")));
  EXPECT_NO_THROW(doubles.set_exchange(nullptr));
}

}  // namespace
}  // namespace hop::hopper
