#include "kernels/matmul.h"

#include <limits>
#include <thread>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/view.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

/// a (.., m, k) b (.., k, n) in doubles, with broadcast leading dimensions.
std::vector<double> reference(const Tensor& a, const Tensor& b) {
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  const auto leading = [](const Tensor& x) { return Shape(std::span(x.shape().begin(), x.shape().end() - 2)); };
  const Shape batch = broadcast_shapes(leading(a), leading(b), "reference");
  const auto extended = [&](const Tensor& x) {
    Shape shape = batch;
    shape.push_back(x.size(-2));
    shape.push_back(x.size(-1));
    return values<double>(expand(x, shape));
  };
  const std::vector<double> u = extended(a), v = extended(b);
  std::vector<double> y(static_cast<std::size_t>(batch.numel() * m * n));
  for (std::int64_t step = 0; step < batch.numel(); ++step) {
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t q = 0; q < k; ++q) {
        const double f = u[static_cast<std::size_t>((step * m + i) * k + q)];
        for (std::int64_t j = 0; j < n; ++j) {
          y[static_cast<std::size_t>((step * m + i) * n + j)] +=
              f * v[static_cast<std::size_t>((step * k + q) * n + j)];
        }
      }
    }
  }
  return y;
}

struct Sizes {
  std::int64_t m, k, n;
};
// All run in our loops but those with a 1, which run as matrix times vector where they are large enough.
const std::vector<Sizes> kSizes = {{1, 1, 1},    {2, 3, 4},    {5, 7, 9},    {1, 16, 16}, {17, 16, 15},
                                   {1, 300, 70}, {70, 300, 1}, {1, 900, 1},  {40, 1, 50}, {33, 65, 17},
                                   {64, 64, 64}, {3, 500, 10}, {10, 31, 784}};

TEST(Matmul, AgreesWithDoublesForEverySizeInEveryLayout) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Sizes& s : kSizes) {
      SCOPED_TRACE(::testing::Message() << s.m << " x " << s.k << " x " << s.n);
      const Tensor a = random_tensor({s.m, s.k}, dtype, 1);
      const Tensor b = random_tensor({s.k, s.n}, dtype, 2);
      const std::vector<double> golden = reference(a, b);
      for (const Tensor& u : layouts(a)) {
        for (const Tensor& v : layouts(b)) {
          const Tensor y = matmul(u, v);
          ASSERT_EQ(y.shape(), Shape({s.m, s.n}));
          ASSERT_TRUE(y.is_contiguous());
          ASSERT_TRUE(close(y, golden, 0, epsilon(dtype, 8) * std::sqrt(static_cast<double>(s.k))));
        }
      }
    }
  }
}

TEST(Matmul, TheBitsKnowNoAddressAndNoGaps) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Sizes& s : kSizes) {
      SCOPED_TRACE(::testing::Message() << s.m << " x " << s.k << " x " << s.n);
      for (const bool transposed : {false, true}) {
        const std::vector<int> order = transposed ? std::vector<int>{1, 0} : std::vector<int>{0, 1};
        const Tensor a = with_order(random_tensor({s.m, s.k}, dtype, 1), order);
        const Tensor b = with_order(random_tensor({s.k, s.n}, dtype, 2), order);
        const Tensor golden = matmul(a, b);
        for (std::int64_t offset = 0; offset < 16; ++offset) {
          ASSERT_TRUE(same_bits(matmul(with_strides(a, a.strides(), offset), b), golden)) << offset;
          ASSERT_TRUE(same_bits(matmul(a, with_strides(b, b.strides(), offset)), golden)) << offset;
        }
        if (!transposed) {
          ASSERT_TRUE(same_bits(matmul(with_order(a, order, 3), with_order(b, order, 5)), golden));
        }
      }
    }
  }
}

TEST(Matmul, TheBitsOfOurOwnLoopsKnowNoLayoutAtAll) {
  // The last two are long: one factor is cut along k in some layouts.
  for (const auto& [dtype, s] :
       {std::pair(DType::f32, Sizes{5, 7, 9}), std::pair(DType::f64, Sizes{33, 65, 17}),
        std::pair(DType::f32, Sizes{91, 601, 70}), std::pair(DType::f64, Sizes{91, 601, 70})}) {
    const Tensor a = random_tensor({s.m, s.k}, dtype, 1);
    const Tensor b = random_tensor({s.k, s.n}, dtype, 2);
    const Tensor bias = random_tensor({s.n}, dtype, 3);
    const Tensor golden = matmul(a, b), biased = linear(a, transpose(b, 0, 1), bias);
    for (const Tensor& u : layouts(a)) {
      for (const Tensor& v : layouts(b)) {
        ASSERT_TRUE(same_bits(matmul(u, v), golden));
        ASSERT_TRUE(same_bits(linear(u, transpose(v, 0, 1), bias), biased));
      }
    }
  }
}

// Too large for our loops: the same values in every layout, with a bias and with a batch, against our loops on a few
// rows.
TEST(Matmul, LargeProductsOfOneDnnAgreeWithOurLoops) {
  constexpr std::int64_t kRows = 512, kInner = 544, kColumns = 500;  // 139 million multiply-adds
  const Tensor a = random_tensor({kRows, kInner}, DType::f32, 1), b = random_tensor({kInner, kColumns}, DType::f32, 2);
  const auto agree = [&](const Tensor& y, const Tensor& u, const Tensor& v) {
    for (const std::int64_t row : {std::int64_t{0}, std::int64_t{3}, kRows - 2}) {
      const std::vector<double> golden = reference(slice(u, 0, row, row + 2), v);
      ASSERT_TRUE(close(slice(y, 0, row, row + 2), golden, 0, 1e-4));
    }
  };
  for (const std::vector<int>& a_order : {std::vector<int>{0, 1}, {1, 0}}) {
    for (const std::vector<int>& b_order : {std::vector<int>{0, 1}, {1, 0}})
      agree(matmul(with_order(a, a_order), with_order(b, b_order)), a, b);
  }
  const Tensor bias = random_tensor({kColumns}, DType::f32, 3);
  const Tensor with_bias = linear(a, with_order(transpose(b, 0, 1), {0, 1}), bias);
  EXPECT_TRUE(close(sub(with_bias, bias), values<double>(matmul(a, b)), 0, 1e-4));
  const Tensor pair = random_tensor({2, kRows, kInner}, DType::f32, 4);
  const Tensor both = matmul(pair, b);  // one tall matrix
  for (std::int64_t i = 0; i < 2; ++i) agree(select(both, 0, i), select(pair, 0, i), b);
  const Tensor apart = matmul(with_order(pair, {0, 2, 1}), b);  // the batch of a primitive
  EXPECT_TRUE(close(apart, values<double>(both), 0, 1e-4));
}

TEST(Matmul, ARepeatedCallGivesTheSameBitsOnOneAndOnTwoThreads) {
  const Tensor a = random_tensor({96, 130}, DType::f32, 1);
  const Tensor b = random_tensor({130, 75}, DType::f32, 2);
  for (const int threads : {1, 2}) {
    const ComputeThreads scope(threads);
    const Tensor golden = matmul(a, b);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(same_bits(matmul(a, b), golden));
    EXPECT_TRUE(close(golden, reference(a, b), 0, 1e-5));
  }
}

TEST(Matmul, ThreadsOfTheApplicationDoNotDisturbEachOther) {
  const Tensor a = random_tensor({60, 130}, DType::f32, 1);
  const Tensor b = random_tensor({130, 75}, DType::f32, 2);
  const Tensor golden = matmul(a, b), row = matmul(slice(a, 0, 0, 1), b);
  std::vector<int> right(4);
  std::vector<std::thread> threads;
  for (int& count : right) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i)
        count += same_bits(matmul(a, b), golden) && same_bits(matmul(slice(a, 0, 0, 1), b), row);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, std::vector<int>(4, 20));
}

TEST(Matmul, LeadingDimensionsBroadcast) {
  const std::pair<Shape, Shape> cases[] = {
      {{3, 5, 7}, {7, 9}},
      {{5, 7}, {3, 7, 9}},
      {{3, 5, 7}, {3, 7, 9}},
      {{2, 1, 5, 7}, {1, 3, 7, 9}},
      {{2, 3, 5, 7}, {3, 7, 9}},
      {{4, 33, 40}, {40, 37}},
      {{4, 33, 40}, {4, 40, 37}},
      {{33, 40}, {4, 40, 37}},
      {{2, 1, 33, 40}, {3, 40, 37}},
      {{2, 3, 33, 40}, {1, 40, 37}},
      {{2, 1, 1, 400}, {3, 400, 37}},
      {{2, 3, 30, 400}, {2, 1, 400, 1}},
  };
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const auto& [u, v] : cases) {
      SCOPED_TRACE(u.to_string() + " x " + v.to_string());
      const Tensor a = random_tensor(u, dtype, 1);
      const Tensor b = random_tensor(v, dtype, 2);
      const std::vector<double> golden = reference(a, b);
      const double tolerance = epsilon(dtype, 8) * std::sqrt(static_cast<double>(u.back()));
      const Tensor y = matmul(a, b);
      EXPECT_EQ(y.shape(), matmul_shape(u, v));
      EXPECT_TRUE(close(y, golden, 0, tolerance));
      // the same values with every matrix transposed, and with the batch innermost
      const auto swap = [](const Tensor& x) { return transpose(clone(transpose(x, -1, -2)), -1, -2); };
      EXPECT_TRUE(close(matmul(swap(a), b), golden, 0, tolerance));
      EXPECT_TRUE(close(matmul(a, swap(b)), golden, 0, tolerance));
      EXPECT_TRUE(close(matmul(swap(a), swap(b)), golden, 0, tolerance));
      const auto rotate = [](const Tensor& x) { return transpose(clone(transpose(x, 0, -1)), 0, -1); };
      EXPECT_TRUE(close(matmul(rotate(a), rotate(b)), golden, 0, tolerance));
    }
  }
}

TEST(Matmul, AnExpandedFactorIsReadInPlace) {
  const Tensor a = random_tensor({4, 40, 50}, DType::f32, 1);
  const Tensor b = random_tensor({50, 60}, DType::f32, 2);
  EXPECT_TRUE(same_bits(matmul(a, expand(b, {4, 50, 60})), matmul(a, b)));
}

TEST(Matmul, VectorsLoseTheirDimension) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor a = random_tensor({70, 300}, dtype, 1);
    const Tensor x = random_tensor({300}, dtype, 2);
    const Tensor z = random_tensor({70}, dtype, 3);
    const double tolerance = epsilon(dtype, 8) * 18;
    EXPECT_EQ(matmul(a, x).shape(), Shape({70}));
    EXPECT_TRUE(close(matmul(a, x), reference(a, unsqueeze(x, 1)), 0, tolerance));
    EXPECT_EQ(matmul(z, a).shape(), Shape({300}));
    EXPECT_TRUE(close(matmul(z, a), reference(unsqueeze(z, 0), a), 0, tolerance));
    EXPECT_EQ(matmul(x, x).shape(), Shape({}));
    EXPECT_TRUE(close(matmul(x, x), reference(unsqueeze(x, 0), unsqueeze(x, 1)), 1e-5, tolerance));
    EXPECT_EQ(matmul(random_tensor({2, 3, 300}, dtype), x).shape(), Shape({2, 3}));
    EXPECT_EQ(matmul(x, random_tensor({2, 300, 4}, dtype)).shape(), Shape({2, 4}));
    const Tensor column = select(transpose(a, 0, 1), 0, 5);  // (70), stride 300
    EXPECT_TRUE(close(matmul(column, a), reference(unsqueeze(clone(column), 0), a), 0, tolerance));
  }
}

TEST(Matmul, AnEmptySumIsZeroAndAnEmptyResultIsEmpty) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    EXPECT_TRUE(
        close(matmul(random_tensor({2, 0}, dtype), random_tensor({0, 3}, dtype)), std::vector<double>(6, 0.0), 0, 0));
    EXPECT_EQ(matmul(random_tensor({0, 4}, dtype), random_tensor({4, 3}, dtype)).shape(), Shape({0, 3}));
    EXPECT_EQ(matmul(random_tensor({0, 2, 4}, dtype), random_tensor({4, 3}, dtype)).shape(), Shape({0, 2, 3}));
    const Tensor bias = random_tensor({3}, dtype);
    EXPECT_TRUE(
        same_bits(select(linear(random_tensor({2, 0}, dtype), random_tensor({3, 0}, dtype), bias), 0, 1), bias));
  }
}

TEST(Linear, IsXTimesTheTransposedWeightPlusBias) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const auto& [shape, out] : {std::pair<Shape, std::int64_t>{{32, 100}, 10},
                                     {{2, 3, 40}, 50},
                                     {{300}, 20},
                                     {{7, 300}, 1},
                                     {{1, 300}, 64},
                                     {{5, 6}, 7},
                                     {{2, 17, 90}, 33}}) {
      SCOPED_TRACE(shape.to_string());
      const Tensor x = random_tensor(shape, dtype, 1);
      const Tensor weight = random_tensor({out, shape.back()}, dtype, 2);
      const Tensor bias = random_tensor({out}, dtype, 3);
      std::vector<double> golden = reference(shape.size() == 1 ? unsqueeze(x, 0) : x, transpose(weight, 0, 1));
      const double tolerance = epsilon(dtype, 8) * std::sqrt(static_cast<double>(shape.back()));
      EXPECT_TRUE(close(linear(x, weight, {}), golden, 0, tolerance));
      for (std::size_t i = 0; i < golden.size(); ++i)
        golden[i] += values<double>(bias)[i % static_cast<std::size_t>(out)];
      const Tensor y = linear(x, weight, bias);
      EXPECT_EQ(y.size(-1), out);
      EXPECT_EQ(y.dim(), shape.size());
      EXPECT_TRUE(close(y, golden, 0, tolerance));
      for (std::int64_t offset = 0; offset < 16; ++offset) {
        EXPECT_TRUE(same_bits(linear(shifted(x, offset), shifted(weight, offset), shifted(bias, 15 - offset)), y));
      }
      const Tensor strided_bias = with_strides(bias, {3}, 0);
      EXPECT_TRUE(same_bits(linear(x, weight, strided_bias), y));
      for (const Tensor& v : layouts(x)) EXPECT_TRUE(close(linear(v, weight, bias), golden, 0, tolerance));
    }
  }
}

TEST(Matmul, InfinitiesAndNansPassThrough) {
  for (const std::int64_t k : {4, 100}) {
    Tensor a = zeros({20, k});
    const Tensor b = ones({k, 30});
    a.data<float>()[3 * k] = NAN;
    a.data<float>()[5 * k] = INFINITY;
    const std::vector<float> y = values<float>(matmul(a, b));
    EXPECT_TRUE(std::isnan(y[3 * 30]));
    EXPECT_EQ(y[5 * 30 + 29], INFINITY);
    EXPECT_EQ(y[0], 0);
  }
}

TEST(Matmul, RefusesWhatDoesNotFit) {
  const auto t = [](const Shape& shape, DType dtype = DType::f32) { return random_tensor(shape, dtype); };
  EXPECT_EQ(error_of<ShapeError>([&] {
              matmul(t({4, 3}), t({2, 5}));
            }),
            "[matmul] expected (4, 3) x (.., 3, n), got (4, 3) x (2, 5)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              matmul(t({4, 3}), t({4}));
            }),
            "[matmul] expected (4, 3) x (3), got (4, 3) x (4)");
  EXPECT_EQ(error_of<ShapeError>([&] { matmul(t({}), t({4})); }),
            "[matmul] expected at least one dimension each, got () x (4)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              matmul(t({2, 4, 3}), t({5, 3, 4}));
            }),
            "[matmul] shapes (2) and (5) do not broadcast");
  EXPECT_EQ(error_of<DtypeError>([&] {
              matmul(t({2, 2}), t({2, 2}, DType::f64));
            }),
            "[matmul] expected operands of one dtype, got f32 (2, 2) on cpu and f64 (2, 2) on cpu");
  EXPECT_EQ(error_of<DtypeError>([&] {
              matmul(t({2, 2}, DType::i64), t({2, 2}, DType::i64));
            }),
            "[matmul] expected f32, f64, bf16 or f16, got i64 (2, 2) on cpu");
  EXPECT_EQ(error_of<ShapeError>([&] {
              linear(t({2, 5}), t({3, 4}), {});
            }),
            "[linear] expected x (.., 4) for weight (3, 4), got (2, 5)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              linear(t({2, 4}), t({3, 4}), t({4}));
            }),
            "[linear] expected bias of shape (3), got (4)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              linear(t({2, 4}), t({3}), {});
            }),
            "[linear] expected weight (out, in), got (3)");
}

// One sum in f32 stands still at 2^24 ones, and 0.1 is rounded ever more coarsely.
TEST(Matmul, LosesNothingOfALongSum) {
  for (const auto& [m, n] : {std::pair{1, 1}, std::pair{1, 3}, std::pair{2, 2}, std::pair{4, 1}}) {
    const std::int64_t k = 17'000'001;
    const Tensor ones_left = ones({m, k}), y = matmul(ones_left, ones({k, n}));
    EXPECT_EQ(y.data<float>()[m * n - 1], 17'000'001.0F) << m << ' ' << n;
  }
  const Tensor x = full({2'000'000, 4}, 0.1, DType::f32);
  const Tensor sums = matmul(transpose(x, 0, 1), ones({2'000'000, 4}));
  EXPECT_NEAR(sums.data<float>()[0], 200'000, 40);
  const Tensor bias = full({3}, 5, DType::f32), vector = ones({1, 100'000});
  EXPECT_EQ(linear(vector, ones({3, 100'000}), bias).data<float>()[2], 100'005.0F);
}

}  // namespace
}  // namespace hop::kernels
