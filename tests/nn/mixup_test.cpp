// Mixup, judged by Beta distributions that have a closed form, by its moments, and element by element.
#include "nn/mixup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/random.h"

namespace hop::nn {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::size_t kCells = 256;

TEST(BetaQuantiles, AreThoseOfTheClosedForms) {
  const std::vector<double> even = beta_quantiles(1, kCells), arcsine = beta_quantiles(0.5, kCells),
                            parabola = beta_quantiles(2, kCells);
  for (std::size_t i = 1; i < kCells; ++i) {
    const double u = static_cast<double>(i) / kCells;
    EXPECT_NEAR(even[i], u, 1e-14);
    EXPECT_NEAR(arcsine[i], std::pow(std::sin(M_PI / 2 * u), 2), 1e-13);
    EXPECT_NEAR(3 * std::pow(parabola[i], 2) - 2 * std::pow(parabola[i], 3), u, 1e-13);
  }
  EXPECT_EQ(even[0], 0);
  EXPECT_EQ(even[kCells], 1);
  EXPECT_EQ(arcsine[0], 0);
  EXPECT_EQ(arcsine[kCells], 1);
}

// Mean and variance of numbers that are even between two neighbours of a table.
TEST(BetaQuantiles, HaveTheMomentsOfTheDistribution) {
  for (const double alpha : {1e-3, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 8.0, 100.0, kMostMixup}) {
    const std::vector<double> q = beta_quantiles(alpha, 1024);
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < 1024; ++i) {
      ASSERT_LE(q[i], q[i + 1]);
      mean += (q[i] + q[i + 1]) / 2 / 1024;
      square += (q[i] * q[i] + q[i] * q[i + 1] + q[i + 1] * q[i + 1]) / 3 / 1024;
    }
    const double variance = 1 / (4 * (2 * alpha + 1));
    EXPECT_NEAR(mean, 0.5, 1e-12) << alpha;
    EXPECT_NEAR(square - mean * mean, variance, 0.004 * variance) << alpha;
  }
}

Tensor rows(std::int64_t n, std::int64_t width) {
  const Tensor x = Tensor::empty({n, width}, DType::f32);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(i * i + 1);
  return x;
}

TEST(Mixup, DrawsItsShareFromBeta) {
  constexpr int kSteps = 4000;
  for (const double alpha : {0.2, 1.0, 4.0}) {
    Mixup mixup(alpha);
    mixup.set_random_key(11);
    double sum = 0, squares = 0;
    for (std::uint64_t step = 0; step < kSteps; ++step) {
      mixup.set_step(step);
      const double share = mixup.mix(rows(2, 1), rows(2, 1)).share.item<float>();
      ASSERT_GE(share, 0);
      ASSERT_LE(share, 1);
      sum += share;
      squares += share * share;
    }
    const double mean = sum / kSteps, variance = squares / kSteps - mean * mean, right = 1 / (4 * (2 * alpha + 1));
    EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(right / kSteps)) << alpha;
    EXPECT_NEAR(variance, right, 0.12 * right) << alpha;
  }
}

// alpha = 1: the share is the even number itself. The second number of the draw says who the partners are.
TEST(Mixup, MixesEachRowWithItsPartner) {
  constexpr std::int64_t kRows = 5, kWidth = 3;
  constexpr std::uint64_t kKey = 9;
  Mixup mixup(1);
  mixup.set_random_key(kKey);
  const Tensor x = rows(kRows, kWidth), y = arange(kRows);
  std::set<std::int64_t> moves;
  for (std::uint64_t step = 0; step < 100; ++step) {
    mixup.set_step(step);
    const Mixed mixed = mixup.mix(x, y);
    const Tensor numbers = Tensor::empty({2}, DType::f32);
    kernels::uniform_(numbers, 0, 1, {.key = kKey, .step = step, .draw = std::uint32_t{1} << 31});
    const float share = numbers.data<float>()[0];
    EXPECT_EQ(mixed.share.item<float>(), share);
    EXPECT_EQ(mixed.share.dim(), 0);
    const auto move = static_cast<std::int64_t>(numbers.data<float>()[1] * kRows);
    moves.insert(move);
    ASSERT_EQ(mixed.x.shape(), x.shape());
    for (std::int64_t i = 0; i < kRows; ++i) {
      const std::int64_t partner = (i + move) % kRows;
      EXPECT_EQ(mixed.y.data<std::int64_t>()[i], i);
      EXPECT_EQ(mixed.other.data<std::int64_t>()[i], partner);
      for (std::int64_t j = 0; j < kWidth; ++j) {
        const float own = x.data<float>()[i * kWidth + j], theirs = x.data<float>()[partner * kWidth + j];
        EXPECT_FLOAT_EQ(mixed.x.data<float>()[i * kWidth + j], share * own + (1 - share) * theirs);
      }
    }
  }
  EXPECT_EQ(moves.size(), 5U) << "each row is the partner at some step";
}

TEST(Mixup, TheLossIsTheMixtureOfTwo) {
  Mixup mixup(0.4);
  mixup.set_random_key(3);
  const Tensor x = rows(4, 3), y = Tensor::from<std::int64_t>({0, 2, 1, 1}, {4});
  const Mixed mixed = mixup.mix(x, y);
  const Tensor output = log(rows(4, 3));
  output.set_requires_grad();
  const Tensor loss = mixed.loss(CrossEntropyLoss{}, output);
  ASSERT_EQ(loss.dim(), 0);
  const double share = mixed.share.item<float>();
  const double own = cross_entropy(output, y).item<float>(), theirs = cross_entropy(output, mixed.other).item<float>();
  EXPECT_NEAR(loss.item<float>(), share * own + (1 - share) * theirs, 1e-6);
  backward(loss);  // the gradient of a row: softmax - share onehot(y) - (1 - share) onehot(other), over 4
  double sum = 0;
  for (std::int64_t i = 0; i < 12; ++i) sum += output.grad().data<float>()[i];
  EXPECT_NEAR(sum, 0, 1e-6);
}

TEST(Mixup, ACapturedStepDrawsAnewInEachReplay) {
  const Tensor key = Tensor::from<std::int64_t>({7}, {1}), step = kernels::zeros({1}, DType::i64);
  Mixup captured(0.3), eager(0.3);
  captured.set_random_source(key, step);
  eager.set_random_key(7);
  CapturedFunction mix([&](std::span<const Tensor> in) {
    captured.begin_step();
    const Mixed mixed = captured.mix(in[0], in[1]);
    return std::vector{mixed.x, mixed.other, mixed.share};
  });
  const Tensor x = rows(6, 4), y = arange(6);
  std::set<float> shares;
  for (std::int64_t s = 0; s < 8; ++s) {
    kernels::fill_(step, s);
    const std::vector<Tensor>& replayed = mix({x, y});
    eager.set_step(static_cast<std::uint64_t>(s));
    const Mixed mixed = eager.mix(x, y);
    EXPECT_EQ(replayed[2].item<float>(), mixed.share.item<float>()) << s;
    for (std::int64_t i = 0; i < 24; ++i) EXPECT_EQ(replayed[0].data<float>()[i], mixed.x.data<float>()[i]) << s;
    for (std::int64_t i = 0; i < 6; ++i) {
      EXPECT_EQ(replayed[1].data<std::int64_t>()[i], mixed.other.data<std::int64_t>()[i]) << s;
    }
    shares.insert(mixed.share.item<float>());
  }
  EXPECT_EQ(shares.size(), 8U);
}

TEST(Mixup, RefusesWhatItCannotDo) {
  for (const double alpha : {0.0, -0.5, kMostMixup * 1.01, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THAT([&] { Mixup{alpha}; }, ThrowsMessage<ConfigError>(HasSubstr("[Mixup] expected 0 < alpha <= 1000")));
  }
  Mixup mixup(1);
  EXPECT_THROW(mixup.mix(rows(2, 1), rows(2, 1)), ConfigError) << "no random key";
  mixup.set_random_key(1);
  EXPECT_THAT([&] { mixup.mix(rows(3, 2), arange(2)); },
              ThrowsMessage<ShapeError>(HasSubstr("labels (N, ..) with N >= 1, got (3, 2) and (2)")));
  EXPECT_EQ(mixup.to_string(), "Mixup(alpha=1)");
}

}  // namespace
}  // namespace hop::nn
