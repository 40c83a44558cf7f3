// Augmentation of images, judged pixel by pixel: each result is a moved or mirrored copy of its image.
#include "nn/layers/augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "autograd/gradcheck.h"
#include "base/error.h"
#include "base/hash.h"
#include "kernels/copy.h"
#include "kernels/threads.h"
#include "nn/model.h"
#include "nn/spec.h"

namespace hop::nn {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// (n, 2, h, w), where each pixel of an image differs from all others.
Tensor images(std::int64_t n, std::int64_t height, std::int64_t width) {
  const Tensor x = Tensor::empty({n, 2, height, width}, DType::f32);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(i + 1);
  return x;
}

float pixel(const Tensor& x, std::int64_t n, std::int64_t c, std::int64_t i, std::int64_t j) {
  if (i < 0 || j < 0 || i >= x.size(2) || j >= x.size(3)) return 0;
  return x.data<float>()[((n * x.size(1) + c) * x.size(2) + i) * x.size(3) + j];
}

using Move = std::pair<std::int64_t, std::int64_t>;

bool is_moved(const Tensor& x, const Tensor& y, std::int64_t n, Move by) {
  for (std::int64_t c = 0; c < x.size(1); ++c) {
    for (std::int64_t i = 0; i < x.size(2); ++i) {
      for (std::int64_t j = 0; j < x.size(3); ++j) {
        if (pixel(y, n, c, i, j) != pixel(x, n, c, i + by.first, j + by.second)) return false;
      }
    }
  }
  return true;
}

std::optional<Move> move_of(const Tensor& x, const Tensor& y, std::int64_t n, std::int64_t most) {
  for (std::int64_t i = -most; i <= most; ++i) {
    for (std::int64_t j = -most; j <= most; ++j) {
      if (is_moved(x, y, n, {i, j})) return Move{i, j};
    }
  }
  return std::nullopt;
}

TEST(RandomCrop, MovesEachImageEvenly) {
  RandomCrop crop(2);
  std::map<Move, int> seen;
  for (std::uint64_t step = 0; step < 25; ++step) {
    crop.set_random_key(hash64(7, "step", {step}));
    const Tensor x = images(40, 6, 7), y = crop.forward(x);
    for (std::int64_t n = 0; n < 40; ++n) {
      const auto move = move_of(x, y, n, 2);
      ASSERT_TRUE(move) << "image " << n << " is no moved copy";
      ++seen[*move];
    }
  }
  ASSERT_EQ(seen.size(), 25U) << "all moves occur";
  double chi_squared = 0;  // of 24 degrees of freedom: above 51 once in a thousand
  for (const auto& [move, times] : seen) chi_squared += (times - 40.0) * (times - 40.0) / 40;
  EXPECT_LT(chi_squared, 51);
}

TEST(RandomHorizontalFlip, MirrorsAboutHalfOfThem) {
  RandomHorizontalFlip flip;
  flip.set_random_key(3);
  const Tensor x = images(400, 2, 5), y = flip.forward(x);
  int flipped = 0;
  for (std::int64_t n = 0; n < 400; ++n) {
    const bool is_flipped = pixel(y, n, 0, 0, 0) == pixel(x, n, 0, 0, 4);
    flipped += is_flipped ? 1 : 0;
    for (std::int64_t c = 0; c < 2; ++c) {
      for (std::int64_t i = 0; i < 2; ++i) {
        for (std::int64_t j = 0; j < 5; ++j) {
          ASSERT_EQ(pixel(y, n, c, i, j), pixel(x, n, c, i, is_flipped ? 4 - j : j));
        }
      }
    }
  }
  EXPECT_NEAR(flipped, 200, 40);
  RandomHorizontalFlip always(1);
  always.set_random_key(3);
  EXPECT_EQ(pixel(always.forward(x), 0, 0, 0, 0), pixel(x, 0, 0, 0, 4));
}

TEST(Augmentation, IsTheIdentityInEvaluation) {
  RandomCrop crop(3);
  RandomHorizontalFlip flip(1);
  crop.eval();
  flip.eval();
  const Tensor x = images(3, 4, 4);
  EXPECT_EQ(crop.forward(x).raw_data(), x.raw_data());
  EXPECT_EQ(flip.forward(x).raw_data(), x.raw_data());
}

TEST(Augmentation, IsAFunctionOfTheKeyForAnyNumberOfThreads) {
  const Tensor x = images(64, 32, 32);
  const auto augmented = [&](std::uint64_t key, int threads) {
    const int before = kernels::compute_threads();
    kernels::set_compute_threads(threads);
    Sequential both{RandomCrop(4), RandomHorizontalFlip()};
    both.set_random_key(key);
    const Tensor y = kernels::contiguous(both.forward(x));
    kernels::set_compute_threads(before);
    return std::vector<float>(y.data<float>(), y.data<float>() + y.numel());
  };
  EXPECT_EQ(augmented(1, 1), augmented(1, 2));
  EXPECT_NE(augmented(1, 1), augmented(2, 1));
}

TEST(Augmentation, HasGradients) {
  RandomCrop crop(1);
  RandomHorizontalFlip flip;
  const auto f = [&](const std::vector<Tensor>& inputs) {
    crop.set_random_key(5);
    flip.set_random_key(6);
    return std::vector{flip.forward(crop.forward(inputs[0]))};
  };
  const Tensor x = kernels::cast(images(2, 3, 3), DType::f64);
  x.set_requires_grad(true);
  const auto report = hop::testing::gradcheck(f, {x});
  EXPECT_TRUE(report.ok) << report.message;
}

TEST(Augmentation, IsWrittenInASpec) {
  const std::vector<std::string> layers = {"random_crop 4", "random_horizontal_flip", "flatten", "linear 3"};
  const auto parsed = parse_spec(layers);
  EXPECT_EQ(plan_spec(parsed, {3, 8, 8}).shapes[1], Shape({3, 8, 8}));
  EXPECT_THAT([&] { plan_spec(parsed, {8}); }, ThrowsMessage<ConfigError>(HasSubstr("an image (C, H, W)")));
}

TEST(Augmentation, RefusesWhatItCannotDo) {
  EXPECT_THROW(RandomCrop(-1), ConfigError);
  EXPECT_THROW(RandomHorizontalFlip(1.5), ConfigError);
  EXPECT_THAT(
      [] {
        RandomCrop(1).forward(kernels::zeros({2, 3}));
      },
      ThrowsMessage<ShapeError>(HasSubstr("expected images (N, C, H, W), got (2, 3)")));
}

}  // namespace
}  // namespace hop::nn
