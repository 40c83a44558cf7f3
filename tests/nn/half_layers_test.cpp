// Layers on tensors of bf16 and f16: the values of the same layer in f32, rounded once; dtypes of running statistics
// and of gradients. Values of PyTorch are in golden_precision_test.cpp.
#include <functional>
#include <memory>

#include "autograd/graph.h"
#include "nn/detail/recurrence.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "nn/loss_objects.h"
#include "nn/mixup.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

constexpr DType kHalves[] = {DType::bf16, DType::f16};

/// f32 values that have `dtype`'s digits.
Tensor rounded_random(const Shape& shape, DType dtype, std::uint64_t key) {
  return to(to(randn(shape, {.key = key}), dtype), DType::f32);
}

/// Parameters with values that have `dtype`'s digits.
void round_parameters(Module& module, DType dtype) {
  const NoGradGuard no_grad;
  for (const NamedTensor& p : module.named_parameters())
    copy_(p.tensor, rounded_random(p.tensor.shape(), dtype, 7 + static_cast<std::uint64_t>(p.tensor.numel())));
}

struct Case {
  std::string name;
  Shape shape;
  std::function<std::shared_ptr<Module>()> make;
};

template <class Layer, class... Arguments>
std::function<std::shared_ptr<Module>()> maker(Arguments... arguments) {
  return [=] { return std::make_shared<Layer>(arguments...); };
}

std::vector<Case> cases() {
  return {{"LayerNorm", {3, 5}, maker<LayerNorm>(Shape{5})},
          {"RMSNorm", {3, 5}, maker<RMSNorm>(Shape{5})},
          {"GroupNorm", {2, 4, 3}, maker<GroupNorm>(2, 4)},
          {"InstanceNorm2d", {2, 3, 3, 5}, maker<InstanceNorm2d>(3, InstanceNormOptions{.affine = true})},
          {"BatchNorm1d", {5, 3}, maker<BatchNorm1d>(3)},
          {"BatchNorm2d", {2, 3, 3, 5}, maker<BatchNorm2d>(3)},
          {"LocalResponseNorm", {2, 5, 3}, maker<LocalResponseNorm>(3)},
          {"CELU", {3, 5}, maker<CELU>(1.5)},
          {"PReLU", {3, 5}, maker<PReLU>(5)},
          {"RReLU", {3, 5}, maker<RReLU>()},
          {"AlphaDropout", {3, 5}, maker<AlphaDropout>(0.3)},
          {"FeatureAlphaDropout", {3, 5, 2}, maker<FeatureAlphaDropout>(0.3)},
          {"Dropout2d", {2, 5, 3, 3}, maker<Dropout2d>(0.3)}};
}

/// y and the gradients of x and of the parameters, for slopes of y that have 16 bits.
std::vector<Tensor> results(Module& layer, const Tensor& x, const Tensor& slopes) {
  layer.set_random_key(5);
  const Tensor leaf = kernels::clone(x).set_requires_grad();
  const Tensor y = layer(leaf);
  std::vector<Tensor> leaves = {leaf};
  for (const NamedTensor& p : layer.named_parameters()) leaves.push_back(p.tensor);
  std::vector<Tensor> all = grad({y}, leaves, {.grad_outputs = {to(slopes, y.dtype())}});
  all.insert(all.begin(), y.detach());
  return all;
}

TEST(HalfLayer, HasTheValuesAndGradientsOfF32RoundedOnce) {
  for (const Case& c : cases()) {
    for (const DType dtype : kHalves) {
      SCOPED_TRACE(c.name + " " + std::string(name(dtype)));
      const std::shared_ptr<Module> wide = c.make(), half = c.make();
      for (Module* layer : {wide.get(), half.get()}) round_parameters(*layer, dtype);
      half->to(dtype);
      const Tensor x = rounded_random(c.shape, dtype, 1), slopes = rounded_random(c.shape, dtype, 2);
      const std::vector<Tensor> right = results(*wide, x, slopes), got = results(*half, to(x, dtype), slopes);
      ASSERT_EQ(got.size(), right.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].dtype(), dtype) << i;
        EXPECT_EQ(values(got[i]), values(to(right[i], dtype))) << i;
      }
    }
  }
}

TEST(HalfLayer, KeepsWeightsAndRunningStatisticsOfF32BesideInputsOf16Bits) {
  for (const DType dtype : kHalves) {
    BatchNorm1d norm(3), wide(3);
    LayerNorm layer_norm({3});
    const Tensor x = rounded_random({6, 3}, dtype, 1);
    EXPECT_EQ(norm(to(x, dtype)).dtype(), dtype);
    wide(x);
    EXPECT_EQ(norm.running_mean.dtype(), DType::f32);
    EXPECT_EQ(values(norm.running_mean), values(wide.running_mean));
    EXPECT_EQ(values(norm.running_var), values(wide.running_var));
    norm.eval();
    wide.eval();
    EXPECT_EQ(values(norm(to(x, dtype))), values(to(wide(x), dtype)));
    EXPECT_EQ(layer_norm(to(x, dtype)).dtype(), dtype);
  }
}

TEST(HalfLayer, RoundsRunningStatisticsOf16BitsOnce) {
  for (const DType dtype : kHalves) {
    BatchNorm1d norm(3), wide(3);
    norm.to(dtype);
    const Tensor x = rounded_random({6, 3}, dtype, 1);
    norm(to(x, dtype));
    wide(x);
    EXPECT_EQ(norm.running_mean.dtype(), dtype);
    EXPECT_EQ(values(norm.running_mean), values(to(wide.running_mean, dtype)));
    EXPECT_EQ(values(norm.running_var), values(to(wide.running_var, dtype)));
    norm.eval();
    EXPECT_EQ(norm(to(x, dtype)).dtype(), dtype);
  }
}

TEST(HalfAttention, RoundsOnceWithEveryMask) {
  for (const DType dtype : kHalves) {
    const Tensor q = rounded_random({2, 3, 5}, dtype, 1), k = rounded_random({2, 4, 5}, dtype, 2),
                 v = rounded_random({2, 4, 3}, dtype, 3), added = rounded_random({3, 4}, dtype, 4);
    const Tensor allowed = triu(kernels::ones({3, 4}, DType::boolean), 1);  // the last query may see none
    const auto attend = [](const Tensor& a, const Tensor& b, const Tensor& c, const AttentionOptions& o) {
      return functional::scaled_dot_product_attention(a, b, c, o);
    };
    for (const Tensor& mask : {Tensor(), allowed, added}) {
      const bool is_added = mask.defined() && mask.dtype() == DType::f32;
      const Tensor right = attend(q, k, v, {.attn_mask = mask});
      const Tensor got =
          attend(to(q, dtype), to(k, dtype), to(v, dtype), {.attn_mask = is_added ? to(mask, dtype) : mask});
      EXPECT_EQ(got.dtype(), dtype);
      EXPECT_EQ(values(got), values(to(right, dtype)));
    }
    EXPECT_THROW(attend(to(q, dtype), to(k, dtype), to(v, dtype), {.attn_mask = added}), DtypeError);
    EXPECT_THROW(attend(to(q, dtype), k, v, {}), DtypeError);
    const Tensor even = slice(k, -1, 0, 4);
    EXPECT_EQ(values(functional::rotary_embedding(to(even, dtype), {})),
              values(to(functional::rotary_embedding(even, {}), dtype)));
  }
}

TEST(HalfLayers, OfManyPartsTake16BitsAndGiveGradientsInThem) {
  for (const DType dtype : kHalves) {
    MultiheadAttention attention(6, 2);
    LSTM lstm(4, 3);
    GRU gru(4, 3);
    Bilinear bilinear(4, 3, 2);
    for (Module* layer : std::initializer_list<Module*>{&attention, &lstm, &gru, &bilinear}) {
      round_parameters(*layer, dtype);
      layer->to(dtype);
    }
    const Tensor x = to(rounded_random({5, 2, 6}, dtype, 1), dtype),
                 steps = to(rounded_random({5, 2, 4}, dtype, 2), dtype);
    const Tensor other = to(rounded_random({5, 2, 3}, dtype, 3), dtype);
    const std::vector<Tensor> outputs = {attention(x, x, x), lstm(steps), gru(steps), bilinear(steps, other)};
    for (const Tensor& y : outputs) {
      EXPECT_EQ(y.dtype(), dtype);
      backward(sum(y));
    }
    for (Module* layer : std::initializer_list<Module*>{&attention, &lstm, &gru, &bilinear}) {
      for (const NamedTensor& p : layer->named_parameters()) EXPECT_EQ(p.tensor.grad().dtype(), dtype) << p.name;
    }
  }
}

/// The results of `run` for operands of `dtype`, and behind them the gradients of the operands.
std::vector<Tensor> derived(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& run,
                            const std::vector<Tensor>& operands, DType dtype) {
  std::vector<Tensor> leaves, slopes;
  for (const Tensor& x : operands) leaves.push_back(kernels::clone(to(x, dtype)).set_requires_grad());
  std::vector<Tensor> all = run(leaves);
  for (const Tensor& y : all) slopes.push_back(to(rounded_random(y.shape(), DType::bf16, 11), dtype));
  const std::vector<Tensor> gradients = grad(all, leaves, {.grad_outputs = slopes});
  for (Tensor& y : all) y = y.detach();
  all.insert(all.end(), gradients.begin(), gradients.end());
  return all;
}

void expect_one_rounding(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& run,
                         const std::vector<Tensor>& operands, DType dtype) {
  const std::vector<Tensor> got = derived(run, operands, dtype), right = derived(run, operands, DType::f32);
  ASSERT_EQ(got.size(), right.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].dtype(), dtype) << i;
    EXPECT_EQ(values(got[i]), values(to(right[i], dtype))) << i;
  }
}

TEST(HalfRecurrent, StepsOfCellsRoundOnce) {
  using Xs = const std::vector<Tensor>&;
  for (const DType dtype : kHalves) {
    const auto gates = [&](std::int64_t n, std::uint64_t key) { return rounded_random({5, 3 * n}, dtype, key); };
    const Tensor state = rounded_random({5, 3}, dtype, 3);
    const auto lstm = [](Xs x) {
      const LSTMState next = detail::lstm_step(x[0], x[1], x[2]);
      return std::vector{next.h, next.c};
    };
    expect_one_rounding(lstm, {gates(4, 1), gates(4, 2), state}, dtype);
    const auto gru = [](Xs x) { return std::vector{detail::gru_step(x[0], x[1], x[2])}; };
    expect_one_rounding(gru, {gates(3, 1), gates(3, 2), state}, dtype);
    for (const RNNNonlinearity kind : {RNNNonlinearity::tanh, RNNNonlinearity::relu}) {
      const auto rnn = [=](Xs x) { return std::vector{detail::rnn_step(x[0], x[1], kind)}; };
      expect_one_rounding(rnn, {gates(1, 1), gates(1, 2)}, dtype);
    }
  }
}

// The gates of the input are a product of their own, which has 16 bits.
TEST(HalfRecurrent, SequencesOfAnRnnRoundTheirStatesOnce) {
  for (const DType dtype : kHalves) {
    RNN rnn(4, 3);
    round_parameters(rnn, dtype);
    rnn.to(dtype);
    const Tensor x = to(rounded_random({6, 2, 4}, dtype, 1), dtype),
                 start = to(rounded_random({1, 2, 3}, dtype, 2), dtype);
    const RecurrentWeights& w = rnn.weights(0, false);
    const Tensor gates = to(linear(x, w.weight_ih, w.bias_ih), DType::f32);
    const auto wide = [](const Tensor& t) { return to(t, DType::f32); };
    Tensor h = select(wide(start), 0, 0);
    std::vector<Tensor> right;
    for (std::int64_t t = 0; t < 6; ++t)
      right.push_back(h = tanh(select(gates, 0, t) + linear(h, wide(w.weight_hh), wide(w.bias_hh))));
    const RecurrentResult got = rnn(x, start);
    EXPECT_EQ(got.output.dtype(), dtype);
    EXPECT_EQ(got.h_n.dtype(), dtype);
    EXPECT_EQ(values(got.output), values(to(stack(right), dtype)));
    EXPECT_EQ(values(got.h_n), values(to(unsqueeze(h, 0), dtype)));
  }
}

TEST(HalfLoss, OfQuantilesAndOfRowsWithWeightsRoundsOnce) {
  using Xs = const std::vector<Tensor>&;
  for (const DType dtype : kHalves) {
    const Tensor x = rounded_random({7, 3}, dtype, 1), y = rounded_random({7, 3}, dtype, 2);
    const Tensor weights = arange(7, DType::f32) + 0.5;
    const Tensor labels = Tensor::from<std::int64_t>({0, 2, 1, 1, 0, 2, 2}, {7});
    const QuantileLoss quantile{.quantile = 0.3};
    expect_one_rounding([&](Xs xs) { return std::vector{quantile(xs[0], y)}; }, {x}, dtype);
    expect_one_rounding([&](Xs xs) { return std::vector{quantile.each(xs[0], y)}; }, {x}, dtype);
    for (const char* name : {"mse", "mae", "huber delta=0.7", "quantile quantile=0.3", "bce", "poisson_nll"}) {
      SCOPED_TRACE(name);
      const WeightedLoss loss = weighted_loss_by_name(name);
      expect_one_rounding([&](Xs xs) { return std::vector{loss(xs[0], y, weights)}; }, {x}, dtype);
    }
    const WeightedLoss of_classes = weighted_loss_by_name("cross_entropy label_smoothing=0.1");
    expect_one_rounding([&](Xs xs) { return std::vector{of_classes(xs[0], labels, weights)}; }, {x}, dtype);
    expect_one_rounding([&](Xs xs) { return std::vector{weighted_mean(xs[0], weights)}; },
                        {rounded_random({7}, dtype, 4)}, dtype);
  }
}

// A word that stands more often than f16 can count.
TEST(HalfEmbedding, DividesTheGradientByTheFrequencyInF32) {
  constexpr std::int64_t kTimes = 70000;
  const std::int64_t rare = 3;
  for (const DType dtype : kHalves) {
    SCOPED_TRACE(name(dtype));
    Embedding table(4, 2, {.scale_grad_by_freq = true, .dtype = dtype});
    init_parameters(table, 1);
    const Tensor often = kernels::zeros({kTimes}, DType::i64);
    const Tensor others = Tensor::from<std::int64_t>({rare, rare, rare}, {3});
    backward(sum(table(cat({often, others}, 0)) * 2.0));
    const std::vector<double> gradient = values(table.weight.grad());
    for (const std::size_t i : {0U, 1U, 6U, 7U}) EXPECT_NEAR(gradient[i], 2, 0.02);
    EXPECT_EQ(gradient[2], 0);
  }
}

TEST(HalfMixup, RoundsMixturesOnce) {
  for (const DType dtype : kHalves) {
    const Tensor x = rounded_random({20, 30}, dtype, 1), y = arange(20, DType::i64);
    Mixup half(0.8), wide(0.8);
    for (Mixup* mixup : {&half, &wide}) mixup->set_random_key(5);
    const Mixed got = half.mix(to(x, dtype), y), right = wide.mix(x, y);
    EXPECT_EQ(got.x.dtype(), dtype);
    EXPECT_EQ(values(got.share), values(right.share));
    EXPECT_EQ(values(got.x), values(to(right.x, dtype)));
  }
}

// Inputs and weights of -1 and 1 give scores that have few bits.
TEST(HalfAdaptiveSoftmax, RoundsOnceBehindTheScores) {
  for (const DType dtype : kHalves) {
    AdaptiveLogSoftmaxWithLoss wide(6, 10, {3, 5}, {.div_value = 2, .head_bias = true});
    {
      const NoGradGuard no_grad;
      std::uint64_t key = 1;
      for (const NamedTensor& p : wide.named_parameters())
        copy_(p.tensor, sign(randn(p.tensor.shape(), {.key = key++})));
    }
    AdaptiveLogSoftmaxWithLoss half(6, 10, {3, 5}, {.div_value = 2, .head_bias = true});
    half.load_state_dict(wide.state_dict());
    half.to(dtype);
    const Tensor x = sign(randn({8, 6}, {.key = 20})),
                 labels = Tensor::from<std::int64_t>({0, 9, 3, 4, 7, 2, 5, 1}, {8});
    const AdaptiveLogSoftmaxResult got = half(to(x, dtype), labels), right = wide(x, labels);
    EXPECT_EQ(got.output.dtype(), dtype);
    EXPECT_EQ(got.loss.dtype(), dtype);
    EXPECT_EQ(values(got.output), values(to(right.output, dtype)));
    EXPECT_EQ(values(got.loss), values(to(right.loss, dtype)));
    EXPECT_EQ(values(half.log_prob(to(x, dtype))), values(to(wide.log_prob(x), dtype)));
    const AdaptiveLogSoftmaxResult row = half(to(select(x, 0, 1), dtype), select(labels, 0, 1));
    EXPECT_EQ(row.output.shape(), Shape());
    EXPECT_EQ(values(row.output)[0], values(got.output)[1]);
  }
}

}  // namespace
}  // namespace hop::nn
