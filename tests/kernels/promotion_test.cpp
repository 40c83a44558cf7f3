// Which dtype an operation gives. Expectations are PyTorch's (its documentation, "type promotion").
#include "base/error.h"
#include "kernels/elementwise.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

constexpr auto F32 = DType::f32, F64 = DType::f64, I64 = DType::i64, I32 = DType::i32, U8 = DType::u8,
               B = DType::boolean;

Tensor tensor(DType dtype, const Shape& shape = {2}) { return testing::random_tensor(shape, dtype, 1, 1, 3); }
Tensor zero_dim(DType dtype) { return tensor(dtype, {}); }

TEST(Promotion, OfTwoTensorsFollowsTheTable) {
  EXPECT_EQ(kernels::add(tensor(F32), tensor(F64)).dtype(), F64);
  EXPECT_EQ(kernels::add(tensor(I64), tensor(F32)).dtype(), F32);
  EXPECT_EQ(kernels::add(tensor(U8), tensor(I32)).dtype(), I32);
  EXPECT_EQ(kernels::add(tensor(B), tensor(U8)).dtype(), U8);
  EXPECT_EQ(kernels::add(tensor(B), tensor(B)).dtype(), B);
}

TEST(Promotion, OfANumberChangesTheCategoryOnly) {
  EXPECT_EQ(kernels::add(tensor(F32), 2.5).dtype(), F32);
  EXPECT_EQ(kernels::add(2.5, tensor(I64)).dtype(), F32);
  EXPECT_EQ(kernels::add(tensor(U8), 300).dtype(), U8);
  EXPECT_EQ(kernels::add(tensor(B), 1).dtype(), I64);
  EXPECT_EQ(kernels::add(tensor(B), true).dtype(), B);
  EXPECT_EQ(kernels::add(tensor(I32), true).dtype(), I32);
  EXPECT_EQ(kernels::add(tensor(F64), 1).dtype(), F64);
}

TEST(Promotion, OfATensorWithoutDimensionsChangesTheCategoryOnly) {
  EXPECT_EQ(kernels::mul(tensor(F32), zero_dim(F64)).dtype(), F32);
  EXPECT_EQ(kernels::mul(tensor(I32), zero_dim(I64)).dtype(), I32);
  EXPECT_EQ(kernels::mul(tensor(I32), zero_dim(F64)).dtype(), F64);
  EXPECT_EQ(kernels::mul(zero_dim(F32), zero_dim(F64)).dtype(), F64);
  EXPECT_EQ(kernels::mul(zero_dim(I32), 0.5).dtype(), F32);
}

TEST(Promotion, OfNumbersAloneGivesTheDefaultDTypes) {
  EXPECT_EQ(kernels::add(1.5, 2).dtype(), F32);
  EXPECT_EQ(kernels::add(1, 2).dtype(), I64);
  EXPECT_EQ(kernels::add(1, 2).item<int>(), 3);
}

TEST(Promotion, OfDivisionAndTranscendentalFunctionsIsToAFloat) {
  EXPECT_EQ(kernels::div(tensor(I64), tensor(I64)).dtype(), F32);
  EXPECT_EQ(kernels::div(Tensor::from<std::int32_t>({7}, {1}), 2).item<float>(), 3.5F);
  EXPECT_EQ(kernels::exp(tensor(I32)).dtype(), F32);
  EXPECT_EQ(kernels::exp(tensor(B)).dtype(), F32);
  EXPECT_EQ(kernels::sqrt(tensor(F64)).dtype(), F64);
  EXPECT_EQ(kernels::pow(tensor(I64), 2).dtype(), I64);
  EXPECT_EQ(kernels::pow(tensor(I64), 2.0).dtype(), F32);
  EXPECT_EQ(kernels::neg(tensor(U8)).dtype(), U8);
}

TEST(Promotion, OfComparisonsComputesInTheCommonDTypeAndGivesBool) {
  EXPECT_EQ(kernels::gt(tensor(F32), tensor(I64)).dtype(), B);
  EXPECT_TRUE(kernels::gt(Tensor::from<std::int64_t>({2}, {1}), 1.5).item<bool>());
  EXPECT_TRUE(kernels::eq(tensor(B), tensor(B)).data<bool>()[0]);
  EXPECT_EQ(kernels::logical_not(tensor(F64)).dtype(), B);
}

TEST(Promotion, OfWhereIgnoresTheCondition) {
  const Tensor condition = Tensor::from<bool>({true, false}, {2});
  EXPECT_EQ(kernels::where(condition, tensor(F32), tensor(F64)).dtype(), F64);
  EXPECT_EQ(kernels::where(condition, tensor(U8), 1).dtype(), U8);
  EXPECT_EQ(kernels::where(condition, 1.0, 0.0).dtype(), F32);
  EXPECT_EQ(testing::values<int>(kernels::where(condition, 1, 2)), (std::vector<int>{1, 2}));
  EXPECT_EQ(kernels::where(condition, tensor(B), tensor(B)).dtype(), B);
}

// Operands of another dtype are converted on the way: the same values as converting first.
TEST(Promotion, ComputesMixedDTypesInTheCommonOne) {
  for (const DType a : {F32, F64, I64, I32, U8, B}) {
    for (const DType b : {F32, F64, I64, I32, U8, B}) {
      const Tensor x = testing::random_tensor({3, 1}, a, 5, 0, 4), y = testing::random_tensor({40}, b, 6, 0, 4);
      const Tensor sum = kernels::maximum(x, y);
      ASSERT_EQ(sum.dtype(), promote_types(a, b));
      const auto xs = testing::values<double>(x), ys = testing::values<double>(y), sums = testing::values<double>(sum);
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 40; ++j)
          ASSERT_EQ(sums[40 * i + j], std::max(xs[i], ys[j])) << name(a) << " " << name(b);
      }
    }
  }
}

}  // namespace
}  // namespace hop
