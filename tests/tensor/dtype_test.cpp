// Golden: torch.promote_types and torch.result_type of PyTorch 2 (default dtype float32).
#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <string>

#include "base/error.h"
#include "tensor/scalar.h"

namespace hop {
namespace {

using Kind = Operand::Kind;
constexpr auto F32 = DType::f32, F64 = DType::f64, I64 = DType::i64, I32 = DType::i32, U8 = DType::u8,
               B = DType::boolean, BF = DType::bf16, F16 = DType::f16;
constexpr DType kOrder[] = {U8, I32, I64, F32, F64, B, BF, F16};
constexpr int kCount = kDTypeCount;
static_assert(std::size(kOrder) == kDTypeCount);

// torch.promote_types, for the dtypes that exist here, in the order of kOrder.
constexpr DType kPromoteTypes[kCount][kCount] = {
    {U8, I32, I64, F32, F64, U8, BF, F16},    {I32, I32, I64, F32, F64, I32, BF, F16},
    {I64, I64, I64, F32, F64, I64, BF, F16},  {F32, F32, F32, F32, F64, F32, F32, F32},
    {F64, F64, F64, F64, F64, F64, F64, F64}, {U8, I32, I64, F32, F64, B, BF, F16},
    {BF, BF, BF, F32, F64, BF, BF, F32},      {F16, F16, F16, F32, F64, F16, F32, F16},
};

// torch.result_type(tensor of one dimension, tensor without dimensions): a row per dtype of the first.
constexpr DType kTensorAndZeroDim[kCount][kCount] = {
    {U8, U8, U8, F32, F64, U8, BF, F16},      {I32, I32, I32, F32, F64, I32, BF, F16},
    {I64, I64, I64, F32, F64, I64, BF, F16},  {F32, F32, F32, F32, F32, F32, F32, F32},
    {F64, F64, F64, F64, F64, F64, F64, F64}, {U8, I32, I64, F32, F64, B, BF, F16},
    {BF, BF, BF, BF, BF, BF, BF, BF},         {F16, F16, F16, F16, F16, F16, F16, F16},
};

// torch.result_type(tensor, Python number): with 1, 1.0, True.
constexpr DType kTensorAndNumber[kCount][3] = {
    {U8, F32, U8},   {I32, F32, I32}, {I64, F32, I64}, {F32, F32, F32},
    {F64, F64, F64}, {I64, F32, B},   {BF, BF, BF},    {F16, F16, F16},
};

TEST(PromoteTypes, IsPyTorchs) {
  for (int i = 0; i < kCount; ++i) {
    for (int j = 0; j < kCount; ++j) {
      EXPECT_EQ(promote_types(kOrder[i], kOrder[j]), kPromoteTypes[i][j]) << name(kOrder[i]) << ", " << name(kOrder[j]);
    }
  }
}

TEST(ResultType, OfTwoTensorsOfOneKindPromotesTheirDTypes) {
  for (const Kind kind : {Kind::tensor, Kind::zero_dim}) {
    for (int i = 0; i < kCount; ++i) {
      for (int j = 0; j < kCount; ++j) {
        EXPECT_EQ(result_type({kOrder[i], kind}, {kOrder[j], kind}), kPromoteTypes[i][j]);
      }
    }
  }
}

TEST(ResultType, OfATensorAndOneWithoutDimensionsIsPyTorchs) {
  for (int i = 0; i < kCount; ++i) {
    for (int j = 0; j < kCount; ++j) {
      const Operand a = {kOrder[i], Kind::tensor}, b = {kOrder[j], Kind::zero_dim};
      EXPECT_EQ(result_type(a, b), kTensorAndZeroDim[i][j]) << name(a.dtype) << ", " << name(b.dtype);
      EXPECT_EQ(result_type(b, a), kTensorAndZeroDim[i][j]);
    }
  }
}

TEST(ResultType, OfATensorAndANumberIsPyTorchs) {
  const Scalar numbers[] = {Scalar(1), Scalar(1.0), Scalar(true)};
  for (const Kind kind : {Kind::tensor, Kind::zero_dim}) {
    for (int i = 0; i < kCount; ++i) {
      for (int j = 0; j < 3; ++j) {
        const Operand a = {kOrder[i], kind}, b = {numbers[j].dtype(), Kind::number};
        EXPECT_EQ(result_type(a, b), kTensorAndNumber[i][j]) << name(a.dtype) << ", number " << j;
        EXPECT_EQ(result_type(b, a), kTensorAndNumber[i][j]);
      }
    }
  }
}

TEST(DTypeNames, GoBothWaysAndRefuseOthers) {
  for (const DType dtype : kOrder) {
    if (is_half(dtype))
      EXPECT_THROW(dtype_from_name(name(dtype)), DtypeError) << "data sets hold none";
    else
      EXPECT_EQ(dtype_from_name(name(dtype)), dtype);
  }
  EXPECT_EQ(name(BF), "bf16");
  EXPECT_EQ(name(F16), "f16");
  EXPECT_THROW(dtype_from_name("f8"), DtypeError);
  EXPECT_THROW(dtype_from_name(""), DtypeError);
}

TEST(DTypeSizes, AreThoseOfTheCppTypes) {
  for (const DType dtype : kOrder) {
    visit_stored_dtype(dtype, [&]<class T>(T) {
      EXPECT_EQ(size_of(dtype), sizeof(T));
      EXPECT_EQ(dtype_of<T>(), dtype);
    });
  }
}

TEST(DTypeVisits, RefuseAHalfWhereOperationsCompute) {
  for (const DType dtype : {BF, F16}) {
    EXPECT_EQ(widened(dtype), F32);
    EXPECT_TRUE(is_floating(dtype));
    try {
      visit_dtype(dtype, []<class T>(T) { FAIL() << "visited"; });
      FAIL() << "no error";
    } catch (const DtypeError& e) {
      EXPECT_NE(std::string(e.what()).find("got " + std::string(name(dtype)) + "; convert first: to(x, DType::f32)"),
                std::string::npos)
          << e.what();
    }
  }
}

TEST(ScalarNumber, FitsAHalfUpToItsLargestNumber) {
  EXPECT_TRUE(Scalar(65504).fits(F16));
  EXPECT_FALSE(Scalar(65505.0).fits(F16));
  EXPECT_TRUE(Scalar(0x1.FEp127).fits(BF));
  EXPECT_FALSE(Scalar(0x1.FFp127).fits(BF));
  EXPECT_TRUE(Scalar(-HUGE_VAL).fits(F16));
  EXPECT_TRUE(Scalar(1e-30).fits(F16)) << "rounds to 0";
}

TEST(ScalarNumber, KeepsTheCategoryAndTheValue) {
  EXPECT_EQ(Scalar(2.5F).dtype(), F64);
  EXPECT_EQ(Scalar(std::uint8_t{3}).dtype(), I64);
  EXPECT_EQ(Scalar(false).dtype(), B);
  EXPECT_EQ(Scalar((std::int64_t{1} << 62) + 1).to<std::int64_t>(), (std::int64_t{1} << 62) + 1);
  EXPECT_EQ(Scalar(2.75).to<int>(), 2);
  EXPECT_TRUE(Scalar(0.5).to<bool>());
}

}  // namespace
}  // namespace hop
