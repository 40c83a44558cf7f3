// The moving average of weights that is a part of the optimizer's state.
#include "nn/optim/weight_average.h"

#include <algorithm>

#include "autograd/graph.h"
#include "kernels/capture.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/state.h"
#include "tests/nn/training_golden.h"

namespace hop::optim {
namespace {

using namespace nn::testing;

/// A net whose weights move, with an average.
struct Moving {
  nn::Sequential net{nn::Linear(6, 5), nn::ReLU(), nn::Linear(5, 2)};
  Adam adam;
  WeightAverage average;

  explicit Moving(double decay = 0.8) : adam(start(net), {.lr = 0.05}), average(adam, decay) {}
  static std::vector<nn::NamedTensor> start(nn::Sequential& net) {
    nn::init_parameters(net, 3);
    return net.named_parameters();
  }
  void step(const Tensor& x) {
    adam.zero_grad();
    backward(sum(square(net(x))));
    adam.step();
    average.update();
  }
  std::string all_bits() const {
    std::string all;
    for (const nn::NamedTensor& entry : net.state_dict()) all += bits(entry.tensor);
    for (const nn::NamedTensor& entry : adam.state()) all += bits(entry.tensor);
    return all;
  }
};

Tensor batch(int i) { return randn({4, 6}, {.key = static_cast<std::uint64_t>(i)}); }

TEST(WeightAverage, FollowsPyTorch) {
  for (const DType dtype : {DType::f64, DType::f32}) {
    nn::Linear model(3, 2, {.bias = false, .dtype = dtype});
    nn::init_parameters(model, 1);
    Adam adam(model.named_parameters());
    for (const std::optional<double> decay : {std::optional(0.9), std::optional<double>()}) {
      WeightAverage average(adam, decay);
      for (std::int64_t i = 0; i < 5; ++i) {
        kernels::copy_(model.weight, select(training_golden("average.moments"), 0, i));
        average.update();
        expect_close(average.averages().at(0).tensor,
                     select(training_golden(decay ? "average.ema" : "average.swa"), 0, i),
                     dtype == DType::f64 ? 1e-14 : 1e-6);
      }
      EXPECT_EQ(average.n_averaged().item<std::int64_t>(), 5);
      adam.drop("average.weight");
      adam.drop("n_averaged");
    }
  }
}

TEST(WeightAverage, TravelsInAStateBlock) {
  Moving a, b;
  nn::StateBlock block_of_a(a.net, &a.adam), block_of_b(b.net, &b.adam);
  EXPECT_TRUE(std::ranges::any_of(block_of_a.layout().segments, [](const nn::Segment& segment) {
    return segment.name == "optimizer.average.0.weight" && segment.shape == Shape{5, 6};
  }));
  for (int i = 0; i < 3; ++i) a.step(batch(i));
  EXPECT_NE(a.all_bits(), b.all_bits());
  std::ranges::copy(std::as_const(block_of_a).bytes(), block_of_b.bytes().begin());  // the hop
  EXPECT_EQ(a.all_bits(), b.all_bits());
  a.step(batch(3));
  b.step(batch(3));
  EXPECT_EQ(a.all_bits(), b.all_bits());
  EXPECT_EQ(b.average.n_averaged().item<std::int64_t>(), 4);
}

TEST(WeightAverage, IsUpdatedByACapturedStep) {
  Moving eager, captured;
  const Tensor x = kernels::zeros({4, 6});
  RecordedWork work;
  for (int i = 0; i < 5; ++i) {
    kernels::copy_(x, batch(i));
    eager.step(x);
    if (work.replay() == nullptr) work.run([&] { return captured.step(x), RecordedWork::Results(); }, {});
    ASSERT_EQ(captured.all_bits(), eager.all_bits()) << i;
  }
  EXPECT_EQ(work.recordings(), 1U);
}

TEST(WeightAverage, StandsStillWhileTheOptimizerIsStopped) {
  Moving moving;
  const Tensor flag = kernels::zeros({}, DType::f64);
  moving.adam.stop_when(flag);
  moving.step(batch(0));
  kernels::fill_(flag, 1);
  const std::string before = moving.all_bits();
  moving.step(batch(1));
  EXPECT_EQ(moving.all_bits(), before);
  kernels::fill_(flag, 0);
  moving.step(batch(1));
  EXPECT_NE(moving.all_bits(), before);
  EXPECT_EQ(moving.average.n_averaged().item<std::int64_t>(), 2);
}

TEST(WeightAverage, LendsItsValuesToTheWeightsAndGivesTheirOwnBack) {
  Moving moving;
  for (int i = 0; i < 3; ++i) moving.step(batch(i));
  const std::string before = moving.all_bits();
  {
    const WeightAverage::Scope averaged(moving.average);
    const std::vector<Tensor> weights = moving.net.parameters();
    for (std::size_t i = 0; i < weights.size(); ++i)
      EXPECT_EQ(bits(weights[i]), bits(moving.average.averages()[i].tensor));
    EXPECT_NE(moving.all_bits(), before);
  }
  EXPECT_EQ(moving.all_bits(), before);
  moving.average.write_to_weights();
  moving.average.reset();
  EXPECT_EQ(moving.average.n_averaged().item<std::int64_t>(), 0);
}

TEST(WeightAverage, RefusesADecayOutOfRangeAndASecondAverage) {
  Moving moving;
  EXPECT_EQ(message_of<ConfigError>([&] { WeightAverage(moving.adam, 0.9); }),
            "[carry] expected a new name, got \"average.0.weight\", which the optimizer has");
  nn::Linear model(3, 2);
  nn::init_parameters(model, 1);
  Adam adam(model.named_parameters());
  EXPECT_EQ(message_of<ConfigError>([&] { WeightAverage(adam, 1.5); }),
            "[AveragedModel] expected a decay in 0..1, got 1.5");
}

}  // namespace
}  // namespace hop::optim
