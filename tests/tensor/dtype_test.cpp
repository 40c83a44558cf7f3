// Golden: torch.promote_types and torch.result_type of PyTorch 2 (default dtype float32).
#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tensor/scalar.h"

namespace hop {
namespace {

using Kind = Operand::Kind;
constexpr auto F32 = DType::f32, F64 = DType::f64, I64 = DType::i64, I32 = DType::i32, U8 = DType::u8,
               B = DType::boolean;
constexpr DType kOrder[] = {U8, I32, I64, F32, F64, B};

// The rows of the table in PyTorch's documentation, for the dtypes that exist here, in the order uint8, int32, int64,
// float32, float64, bool.
constexpr DType kPromoteTypes[6][6] = {
    {U8, I32, I64, F32, F64, U8},    // uint8
    {I32, I32, I64, F32, F64, I32},  // int32
    {I64, I64, I64, F32, F64, I64},  // int64
    {F32, F32, F32, F32, F64, F32},  // float32
    {F64, F64, F64, F64, F64, F64},  // float64
    {U8, I32, I64, F32, F64, B},     // bool
};

// torch.result_type(tensor of one dimension, tensor without dimensions): a row per dtype of the first.
constexpr DType kTensorAndZeroDim[6][6] = {
    {U8, U8, U8, F32, F64, U8},     {I32, I32, I32, F32, F64, I32}, {I64, I64, I64, F32, F64, I64},
    {F32, F32, F32, F32, F32, F32}, {F64, F64, F64, F64, F64, F64}, {U8, I32, I64, F32, F64, B},
};

// torch.result_type(tensor, Python number): with 1, 1.0, True.
constexpr DType kTensorAndNumber[6][3] = {
    {U8, F32, U8}, {I32, F32, I32}, {I64, F32, I64}, {F32, F32, F32}, {F64, F64, F64}, {I64, F32, B},
};

TEST(PromoteTypes, IsPyTorchs) {
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 6; ++j) {
      EXPECT_EQ(promote_types(kOrder[i], kOrder[j]), kPromoteTypes[i][j]) << name(kOrder[i]) << ", " << name(kOrder[j]);
    }
  }
}

TEST(ResultType, OfTwoTensorsOfOneKindPromotesTheirDTypes) {
  for (const Kind kind : {Kind::tensor, Kind::zero_dim}) {
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 6; ++j) {
        EXPECT_EQ(result_type({kOrder[i], kind}, {kOrder[j], kind}), kPromoteTypes[i][j]);
      }
    }
  }
}

TEST(ResultType, OfATensorAndOneWithoutDimensionsIsPyTorchs) {
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 6; ++j) {
      const Operand a = {kOrder[i], Kind::tensor}, b = {kOrder[j], Kind::zero_dim};
      EXPECT_EQ(result_type(a, b), kTensorAndZeroDim[i][j]) << name(a.dtype) << ", " << name(b.dtype);
      EXPECT_EQ(result_type(b, a), kTensorAndZeroDim[i][j]);
    }
  }
}

TEST(ResultType, OfATensorAndANumberIsPyTorchs) {
  const Scalar numbers[] = {Scalar(1), Scalar(1.0), Scalar(true)};
  for (const Kind kind : {Kind::tensor, Kind::zero_dim}) {
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 3; ++j) {
        const Operand a = {kOrder[i], kind}, b = {numbers[j].dtype(), Kind::number};
        EXPECT_EQ(result_type(a, b), kTensorAndNumber[i][j]) << name(a.dtype) << ", number " << j;
        EXPECT_EQ(result_type(b, a), kTensorAndNumber[i][j]);
      }
    }
  }
}

TEST(DTypeNames, GoBothWaysAndRefuseOthers) {
  for (const DType dtype : kOrder) EXPECT_EQ(dtype_from_name(name(dtype)), dtype);
  EXPECT_THROW(dtype_from_name("f16"), DtypeError);
  EXPECT_THROW(dtype_from_name(""), DtypeError);
}

TEST(DTypeSizes, AreThoseOfTheCppTypes) {
  for (const DType dtype : kOrder) {
    visit_dtype(dtype, [&]<class T>(T) {
      EXPECT_EQ(size_of(dtype), sizeof(T));
      EXPECT_EQ(dtype_of<T>(), dtype);
    });
  }
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
