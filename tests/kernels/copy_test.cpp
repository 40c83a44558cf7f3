#include "kernels/copy.h"

#include "base/error.h"
#include "kernels/view.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using testing::error_of;
using testing::random_tensor;
using testing::same_bits;
using testing::values;

constexpr DType kAllDTypes[] = {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean};

TEST(Contiguous, CopiesEveryLayoutToTheSameElements) {
  for (const DType dtype : kAllDTypes) {
    const Tensor x = random_tensor({3, 19, 33}, dtype, 1, 0, 9);
    EXPECT_TRUE(kernels::contiguous(x).is_same(x));
    for (const Tensor& view : testing::layouts(x)) {
      const Tensor y = kernels::contiguous(view);
      ASSERT_TRUE(y.is_contiguous());
      ASSERT_TRUE(same_bits(y, x)) << name(dtype);
    }
  }
}

TEST(Contiguous, CopiesExpandedAndSlicedViews) {
  const Tensor x = random_tensor({4, 1, 6});
  const Tensor wide = kernels::expand(x, {4, 5, 6});
  EXPECT_TRUE(same_bits(kernels::contiguous(wide), wide));
  const Tensor part = kernels::slice(kernels::slice(x, 2, 1, 6, 2), 0, 1, 3);
  EXPECT_TRUE(same_bits(kernels::contiguous(part), part));
}

TEST(Clone, HasStorageOfItsOwn) {
  const Tensor x = random_tensor({5});
  const Tensor y = kernels::clone(x);
  EXPECT_TRUE(same_bits(x, y));
  y.data<float>()[0] = 77;
  EXPECT_NE(x.data<float>()[0], 77);
}

TEST(Clone, GivesTheSameBitsWithTwoThreads) {
  const Tensor x = random_tensor({300, 700});
  const Tensor turned = kernels::transpose(x, 0, 1);
  const Tensor y = kernels::clone(turned);
  const testing::ComputeThreads two(2);
  EXPECT_TRUE(same_bits(kernels::clone(turned), y));
  EXPECT_TRUE(same_bits(kernels::clone(x), x));
}

TEST(Cast, ConvertsAsCppDoesBetweenAllDTypes) {
  for (const DType from : kAllDTypes) {
    const Tensor x = random_tensor({7, 9}, from, 2, 0, 100);
    for (const DType to : kAllDTypes) {
      for (const Tensor& view : {x, testing::with_order(x, {1, 0}, 3)}) {
        const Tensor y = kernels::cast(view, to);
        ASSERT_EQ(y.dtype(), to);
        const auto before = values<double>(x), after = values<double>(y);
        for (std::size_t i = 0; i < before.size(); ++i) {
          const double wanted = to == DType::boolean ? (before[i] != 0 ? 1 : 0)
                                : !is_floating(to)   ? std::trunc(before[i])
                                : to == DType::f32   ? static_cast<double>(static_cast<float>(before[i]))
                                                     : before[i];
          ASSERT_EQ(after[i], wanted) << name(from) << " to " << name(to);
        }
      }
    }
  }
  const Tensor x = random_tensor({2});
  EXPECT_TRUE(kernels::cast(x, DType::f32).is_same(x));
}

TEST(Cast, TruncatesNegativeNumbersTowardsZero) {
  const Tensor x = Tensor::from<float>({-1.7F, -0.2F, 2.9F}, {3});
  EXPECT_EQ(values<int>(kernels::cast(x, DType::i64)), (std::vector<int>{-1, 0, 2}));
}

TEST(CopyInPlace, BroadcastsConvertsAndBumpsTheVersion) {
  const Tensor y = kernels::zeros({2, 3});
  const auto version = y.version();
  kernels::copy_(y, Tensor::from<std::int64_t>({1, 2, 3}, {3}));
  EXPECT_EQ(values<float>(y), (std::vector<float>{1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(y.version(), version + 1);
  kernels::copy_(kernels::select(y, 1, 1), Tensor::from<float>({9}, {1}));
  EXPECT_EQ(values<float>(y), (std::vector<float>{1, 9, 3, 1, 9, 3}));
}

TEST(CopyInPlace, BetweenOverlappingViewsTakesTheOldValues) {
  for (const std::int64_t step : {1, 2, 3}) {
    for (const std::int64_t n : {10, 5000}) {
      const Tensor x = kernels::arange(n);
      const Tensor from = kernels::slice(x, 0, 0, n - 3, step), to = kernels::slice(x, 0, 3, n, step);
      const Tensor wanted = kernels::clone(from);
      kernels::copy_(to, from);
      EXPECT_TRUE(same_bits(to, wanted)) << "step " << step << ", " << n << " elements";
    }
  }
  const Tensor square = random_tensor({50, 50});
  const Tensor wanted = kernels::clone(kernels::transpose(square, 0, 1));
  kernels::copy_(square, kernels::transpose(square, 0, 1));
  EXPECT_TRUE(same_bits(square, wanted));
}

TEST(CopyInPlace, RefusesADestinationThatRepeatsElements) {
  const Tensor y = kernels::expand(kernels::zeros({1, 3}), {2, 3});
  EXPECT_NE(error_of<ShapeError>([&] {
              kernels::copy_(y, kernels::ones({2, 3}));
            }).find("without repeated elements"),
            std::string::npos);
  const Tensor windows = kernels::zeros({5}).as_strided({4, 2}, {1, 1}, 0);
  EXPECT_THROW(kernels::copy_(windows, kernels::ones({4, 2})), ShapeError);
}

TEST(CopyInPlace, RefusesASourceThatDoesNotBroadcast) {
  EXPECT_EQ(error_of<ShapeError>([] {
              kernels::copy_(kernels::zeros({2, 3}), kernels::zeros({2}));
            }),
            "[copy_] expected a source that broadcasts to (2, 3), got shape (2)");
  EXPECT_THROW(kernels::copy_(kernels::zeros({3}), kernels::zeros({1, 3})), ShapeError);
}

TEST(FillInPlace, WritesViewsAndNothingBeside) {
  const Tensor x = kernels::zeros({3, 4});
  kernels::fill_(kernels::slice(x, 1, 1, 4, 2), 2.5);
  EXPECT_EQ(values<float>(x), (std::vector<float>{0, 2.5, 0, 2.5, 0, 2.5, 0, 2.5, 0, 2.5, 0, 2.5}));
  const auto version = x.version();
  kernels::fill_(kernels::slice(x, 0, 0, 0), 1);
  EXPECT_EQ(x.version(), version + 1);
}

TEST(Cat, JoinsAlongAnyDimensionAndPromotes) {
  const Tensor a = random_tensor({2, 3, 4}),
               b = testing::with_order(random_tensor({2, 5, 4}, DType::f32, 2), {2, 0, 1}, 1);
  const Tensor parts[] = {a, b, kernels::zeros({2, 0, 4})};
  const Tensor y = kernels::cat(parts, -2);
  EXPECT_EQ(y.shape(), Shape({2, 8, 4}));
  EXPECT_TRUE(same_bits(kernels::slice(y, 1, 0, 3), a));
  EXPECT_TRUE(same_bits(kernels::slice(y, 1, 3, 8), b));
  const Tensor mixed[] = {kernels::ones({2}, DType::i32), kernels::full({1}, 0.5, DType::f64)};
  EXPECT_EQ(kernels::cat(mixed, 0).dtype(), DType::f64);
  EXPECT_EQ(values<double>(kernels::cat(mixed, 0)), (std::vector<double>{1, 1, 0.5}));
}

TEST(Cat, RefusesOtherSizesAndNothing) {
  EXPECT_EQ(error_of<ShapeError>([] { kernels::cat({}, 0); }), "[cat] expected at least one tensor, got none");
  const Tensor parts[] = {kernels::zeros({2, 3}), kernels::zeros({3, 3})};
  EXPECT_EQ(error_of<ShapeError>([&] { kernels::cat(parts, 1); }),
            "[cat] expected sizes that differ in dimension 1 only, got shapes (2, 3) and (3, 3)");
  const Tensor ranks[] = {kernels::zeros({2, 3}), kernels::zeros({2})};
  EXPECT_THROW(kernels::cat(ranks, 0), ShapeError);
}

TEST(Factories, FillWithTheValueInEveryDType) {
  for (const DType dtype : kAllDTypes) {
    EXPECT_EQ(values<double>(kernels::zeros({3}, dtype)), (std::vector<double>{0, 0, 0}));
    EXPECT_EQ(values<double>(kernels::ones({2, 1}, dtype)), (std::vector<double>{1, 1}));
    EXPECT_EQ(kernels::full({}, 1.0, dtype).item<double>(), 1);
    EXPECT_EQ(values<double>(kernels::arange(2, dtype)), (std::vector<double>{0, 1}));
    EXPECT_EQ(kernels::zeros({2, 0}, dtype).numel(), 0);
  }
  EXPECT_EQ(kernels::arange(3).dtype(), DType::i64);
}

}  // namespace
}  // namespace hop
