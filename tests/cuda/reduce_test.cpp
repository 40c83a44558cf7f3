#include "kernels/reduce.h"

#include <limits>

#include "kernels/copy.h"
#include "kernels/view.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaReduce = OnDevice;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const std::vector<std::int64_t> kSizes = {1, 31, 32, 33, 1023, 5003};

using Reduce = Tensor (*)(const Tensor& x, DimList dims);
const std::vector<Reduce> kReductions = {
    [](const Tensor& x, DimList dims) { return sum(x, dims); },
    [](const Tensor& x, DimList dims) { return mean(x, dims); },
    [](const Tensor& x, DimList dims) { return max(x, dims); },
    [](const Tensor& x, DimList dims) { return min(x, dims); },
    [](const Tensor& x, DimList dims) { return var(x, dims, 0); },
};

/// All reductions of x over `dims` on the device, against the CPU's.
void expect_like_cpu(const Tensor& x, const std::vector<std::int64_t>& dims) {
  const Tensor there = on_device(x);
  const auto results = in_every_schedule([&] {
    std::vector<Tensor> all;
    for (const Reduce f : kReductions) all.push_back(f(there, dims));
    return all;
  });
  // A tree of depth log n errs by little more than its leaves do, whatever its shape.
  for (std::size_t i = 0; i < kReductions.size(); ++i) {
    const bool exact = i == 2 || i == 3;
    EXPECT_TRUE(near(results[i], kReductions[i](x, dims), exact ? 0 : epsilon(x.dtype(), 64)))
        << "reduction " << i << " of " << x.describe();
  }
}

TEST_F(CudaReduce, OfAllValuesIsTheCpus) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t n : kSizes) expect_like_cpu(random_tensor({n}, dtype), {});
  }
}

TEST_F(CudaReduce, TakesTwoLaunchesForManyValues) {
  // A part holds about 1,024 values. Columns have 1,024 threads per part, which is much under a race check.
  expect_like_cpu(random_tensor({kRaceCheck ? 1100 : 5000}), {});      // parts of a row
  expect_like_cpu(random_tensor({kRaceCheck ? 1100 : 3000, 3}), {0});  // of columns
  if (kRaceCheck) return;                                              // the same kernels as above
  expect_like_cpu(random_tensor({2, 2500, 2}), {1});                   // of outputs along two dimensions
  expect_like_cpu(random_tensor({7, 2, 300}), {0, 2});                 // of values along two dimensions
}

TEST_F(CudaReduce, OverAnyDimensionsIsTheCpus) {
  const Tensor x = random_tensor({2, 3, 5, 33});
  for (const std::vector<std::int64_t>& dims : {std::vector<std::int64_t>{0}, {1}, {2}, {3}, {0, 3}, {1, 2}, {0, 1, 3}})
    expect_like_cpu(x, dims);
}

TEST_F(CudaReduce, HasTheSameBitsForEveryLayout) {
  const Tensor x = random_tensor({4, 6, 20});
  for (const std::vector<std::int64_t>& dims : {std::vector<std::int64_t>{0}, {1}, {2}, {0, 2}, {}}) {
    const Tensor expected = on_host(sum(on_device(x), dims)), deviation = on_host(var(on_device(x), dims));
    for (const Tensor& y : layouts(x)) {
      EXPECT_TRUE(same_bits(on_host(sum(on_device(y), dims)), expected)) << y.describe();
      EXPECT_TRUE(same_bits(on_host(var(on_device(y), dims)), deviation)) << y.describe();
    }
    for (std::int64_t offset = 0; offset < 5; ++offset)
      EXPECT_TRUE(same_bits(on_host(sum(on_device(shifted(x, offset)), dims)), expected)) << offset;
  }
}

TEST_F(CudaReduce, OfIntegersIsExact) {
  for (const DType dtype : {DType::i64, DType::i32, DType::u8, DType::boolean}) {
    const Tensor x = random_tensor({5, 65, 4}, dtype, 2, 0, 100), there = on_device(x);
    for (const std::vector<std::int64_t>& dims : {std::vector<std::int64_t>{0}, {1}, {2}, {}}) {
      const auto y = in_every_schedule([&] {
        return std::vector{sum(there, dims), max(there, dims), min(there, dims)};
      });
      EXPECT_TRUE(same_bits(y[0], sum(x, dims)));
      EXPECT_TRUE(same_bits(y[1], max(x, dims)));
      EXPECT_TRUE(same_bits(y[2], min(x, dims)));
    }
  }
}

TEST_F(CudaReduce, LetsNanWinAndInfinityThrough) {
  Tensor x = random_tensor({3, 100});
  x.data<float>()[57] = NAN;
  x.data<float>()[157] = static_cast<float>(kInfinity);
  expect_like_cpu(x, {1});
  expect_like_cpu(x, {0});
}

TEST_F(CudaReduce, KeepsTheDigitsOfAVarianceFarFromZero) {
  const Tensor x = random_tensor({5000}, DType::f32, 3, 10'000, 10'001);
  EXPECT_TRUE(near(on_host(var(on_device(x))), var(x), 1e-5));
}

TEST_F(CudaReduce, OverNothingIsZeroOrNan) {
  const Tensor x = on_device(Tensor::empty({0, 2}, DType::f32));
  const std::vector<std::int64_t> rows = {0};
  EXPECT_TRUE(close(on_host(sum(x, rows)), {0, 0}, 0, 0));
  EXPECT_TRUE(close(on_host(mean(x, rows)), {NAN, NAN}, 0, 0));
}

TEST_F(CudaReduce, CountsTheCorrectionOfAVariance) {
  const Tensor x = on_device(Tensor::from({1.0F, 2.0F, 6.0F}, {3}));
  EXPECT_TRUE(close(on_host(var(x, {}, 1)), {7}, 1e-6, 0));
  EXPECT_TRUE(close(on_host(var(x, {}, 3)), {kInfinity}, 0, 0));
}

TEST_F(CudaReduce, ArgmaxIsTheFirstMaximum) {
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean}) {
    for (const std::int64_t n : kSizes) {
      const Tensor x = random_tensor({3, n}, dtype, 5, 0, 30), there = on_device(x);  // many ties among integers
      const auto y = in_every_schedule([&] { return std::vector{argmax(there, 1), argmax(there)}; });
      EXPECT_TRUE(same_bits(y[0], argmax(x, 1))) << x.describe();
      EXPECT_TRUE(same_bits(y[1], argmax(x))) << x.describe();
    }
  }
}

TEST_F(CudaReduce, ArgmaxOfALongRowTakesTwoLaunches) {
  const Tensor x = random_tensor({kRaceCheck ? 1100 : 40'000}, DType::u8, 7, 0, 200);
  EXPECT_TRUE(same_bits(on_host(argmax(on_device(x))), argmax(x)));
}

TEST_F(CudaReduce, ArgmaxTakesTheFirstNanAndKnowsRowsOfInfinity) {
  Tensor x = full({4, 70}, -kInfinity);
  x.data<float>()[70 + 33] = NAN;
  x.data<float>()[70 + 69] = NAN;
  x.data<float>()[140 + 3] = static_cast<float>(kInfinity);
  x.data<float>()[140 + 44] = static_cast<float>(kInfinity);
  EXPECT_TRUE(same_bits(on_host(argmax(on_device(x), 1)), argmax(x, 1)));
}

}  // namespace
}  // namespace hop::kernels::cuda
