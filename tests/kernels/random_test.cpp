// Golden values: from a separate implementation of Philox4x32-10 and Box-Muller in Python.
#include "kernels/random.h"

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/view.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using testing::same_bits;
using testing::values;

constexpr RandomAddress kAddress = {.key = 0x0123456789abcdef, .step = (std::uint64_t{5} << 32) | 7, .draw = 3};

TEST(Uniform, HasTheGoldenValues) {
  const std::vector<double> golden = {0.9600809216499329, 0.16467487812042236, 0.5878869295120239, 0.07179838418960571,
                                      0.5504826903343201};
  const Tensor f32 = Tensor::empty({5}, DType::f32), f64 = Tensor::empty({5}, DType::f64);
  kernels::uniform_(f32, 0, 1, kAddress);
  kernels::uniform_(f64, 0, 1, kAddress);
  EXPECT_EQ(values<double>(f32), golden);
  EXPECT_EQ(values<double>(f64), golden);
}

TEST(Normal, HasTheGoldenValues) {
  const std::vector<double> golden = {0.1458016984998205, 0.9276299100210434, -0.03721300094837867, 1.0143834963836893};
  const Tensor f32 = Tensor::empty({4}, DType::f32), f64 = Tensor::empty({4}, DType::f64);
  kernels::normal_(f32, 0, 1, kAddress);
  kernels::normal_(f64, 10, 2, kAddress);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(values<float>(f32)[i], static_cast<float>(golden[i]));
    EXPECT_NEAR(values<double>(f64)[i], 10 + 2 * golden[i], 1e-14);
  }
}

TEST(Dropout, KeepsTheGoldenElements) {
  const std::vector<float> golden = {2, 0, 2, 0, 2, 2, 2, 2, 0, 0, 2, 2};
  for (const DType dtype : {DType::f32, DType::f64}) {
    EXPECT_EQ(values<float>(kernels::dropout(kernels::ones({12}, dtype), 0.5, kAddress)), golden);
  }
}

// Element i is a function of (address, i): of one counter at a time, as tensor/random.h defines it.
TEST(Random, OfAnElementDependsOnItsAddressAndIndexAlone) {
  const std::int64_t n = 40001;
  const Tensor x = kernels::ones({n}), all = Tensor::empty({n}, DType::f32), normals = Tensor::empty({n}, DType::f32);
  kernels::uniform_(all, 0, 1, kAddress);
  kernels::normal_(normals, 0, 1, kAddress);
  const Tensor dropped = kernels::dropout(x, 0.25, kAddress);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto word = kAddress.words(static_cast<std::uint64_t>(i) / 4)[static_cast<std::size_t>(i % 4)];
    ASSERT_EQ(all.data<float>()[i], uniform01(word)) << i;
    ASSERT_EQ(dropped.data<float>()[i] != 0, uniform01(word) >= 0.25F) << i;
  }
  for (std::int64_t part = 0; part < 300; part += 7) {
    for (const Tensor& whole : {all, normals}) {
      const Tensor y = testing::shifted(kernels::zeros({part}), part % 16);
      whole.is_same(all) ? kernels::uniform_(y, 0, 1, kAddress) : kernels::normal_(y, 0, 1, kAddress);
      ASSERT_TRUE(same_bits(y, kernels::slice(whole, 0, 0, part))) << part;
    }
    ASSERT_TRUE(
        same_bits(kernels::dropout(kernels::ones({part}), 0.25, kAddress), kernels::slice(dropped, 0, 0, part)));
  }
  const testing::ComputeThreads two(2);
  const Tensor again = Tensor::empty({n}, DType::f32);
  kernels::uniform_(again, 0, 1, kAddress);
  EXPECT_TRUE(same_bits(again, all));
  kernels::normal_(again, 0, 1, kAddress);
  EXPECT_TRUE(same_bits(again, normals));
  EXPECT_TRUE(same_bits(kernels::dropout(x, 0.25, kAddress), dropped));
}

TEST(Uniform, StaysBelowItsUpperEndEvenWhereRoundingReachesIt) {
  const Tensor y = Tensor::empty({100000}, DType::f32);
  kernels::uniform_(y, 1, 1.0000002, kAddress);
  for (const float v : values<float>(y)) ASSERT_TRUE(v >= 1.0F && v < 1.0000002F);
  kernels::uniform_(y, -3, 5, kAddress);
  double sum = 0;
  for (const float v : values<float>(y)) {
    ASSERT_TRUE(v >= -3 && v < 5);
    sum += static_cast<double>(v);
  }
  EXPECT_NEAR(sum / 100000, 1, 0.03);
}

TEST(Normal, HasItsMomentsAndOtherValuesAtOtherAddresses) {
  const Tensor y = Tensor::empty({200000}, DType::f64);
  kernels::normal_(y, 2, 3, kAddress);
  double sum = 0, squares = 0, tail = 0;
  for (const double v : values<double>(y)) {
    sum += v;
    squares += (v - 2) * (v - 2);
    tail += std::abs(v - 2) > 6 ? 1 : 0;
  }
  EXPECT_NEAR(sum / 200000, 2, 0.03);
  EXPECT_NEAR(squares / 200000, 9, 0.1);
  EXPECT_NEAR(tail / 200000, 0.0455, 0.002);
  const Tensor a = Tensor::empty({4}, DType::f64), b = Tensor::empty({4}, DType::f64);
  kernels::normal_(a, 0, 1, kAddress);
  for (const RandomAddress other : {RandomAddress{kAddress.key + 1, kAddress.step, kAddress.draw},
                                    RandomAddress{kAddress.key, kAddress.step + 1, kAddress.draw},
                                    RandomAddress{kAddress.key, kAddress.step, kAddress.draw + 1}}) {
    kernels::normal_(b, 0, 1, other);
    EXPECT_FALSE(same_bits(a, b));
  }
}

TEST(Dropout, ScalesWhatItKeepsAndIsItsOwnGradient) {
  const Tensor x = testing::random_tensor({60, 70}), g = testing::random_tensor({60, 70}, DType::f32, 2);
  const Tensor y = kernels::dropout(x, 0.1, kAddress), dx = kernels::dropout(g, 0.1, kAddress);
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const float scale = static_cast<float>(1 / 0.9);
    kept += y.data<float>()[i] != 0;
    EXPECT_TRUE(y.data<float>()[i] == 0 || y.data<float>()[i] == x.data<float>()[i] * scale);
    EXPECT_EQ(y.data<float>()[i] == 0, dx.data<float>()[i] == 0);
  }
  EXPECT_NEAR(static_cast<double>(kept) / 4200, 0.9, 0.02);
  EXPECT_TRUE(same_bits(kernels::dropout(testing::with_order(x, {1, 0}), 0.1, kAddress), y));
  EXPECT_TRUE(same_bits(kernels::dropout(x, 0, kAddress), x));
}

TEST(Random, RefusesWhatItCannotFill) {
  EXPECT_THROW(kernels::uniform_(kernels::zeros({3}, DType::i64), 0, 1, kAddress), DtypeError);
  EXPECT_THROW(kernels::normal_(kernels::transpose(kernels::zeros({3, 2}), 0, 1), 0, 1, kAddress), ShapeError);
  EXPECT_THROW(kernels::uniform_(kernels::zeros({3}), 1, 0, kAddress), ConfigError);
  EXPECT_THROW(kernels::normal_(kernels::zeros({3}), 0, -1, kAddress), ConfigError);
  EXPECT_EQ(testing::error_of<ConfigError>([] { kernels::dropout(kernels::zeros({3}), 1.5, kAddress); }),
            "[dropout] expected 0 <= p <= 1, got 1.5");
  const Tensor y = kernels::zeros({3});
  const auto version = y.version();
  kernels::uniform_(y, 0, 1, kAddress);
  EXPECT_EQ(y.version(), version + 1);
}

}  // namespace
}  // namespace hop
