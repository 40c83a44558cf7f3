// Sizes, offsets and numbers that do not fit: each is a typed error that says what was asked.
#include <limits>

#include "base/error.h"
#include "tensor/allocator.h"
#include "tensor/memory_pool.h"
#include "tensor/random.h"
#include "tensor/scalar.h"
#include "tensor/tensor.h"
#include "tests/tensor/error_of.h"

#include <gtest/gtest.h>

namespace hop {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max(),
                       kLeast = std::numeric_limits<std::int64_t>::min(), k32 = std::int64_t{1} << 32;

using testing::error_of;

TEST(Sizes, MultiplyToFewerThanTwoToThe59) {
  EXPECT_EQ((Shape{std::int64_t{1} << 30, (std::int64_t{1} << 29) - 1}.numel()), (std::int64_t{1} << 59) - (1 << 30));
  EXPECT_EQ((Shape{0, 5, k32}.numel()), 0);
  const std::vector<Shape> too_many = {{std::int64_t{1} << 59},
                                       {k32, k32},
                                       {3037000500, 3037000500},
                                       {kMost},
                                       {kMost, kMost},
                                       {2, kMost},
                                       {0, k32, k32},
                                       {k32, 0, 1, 2, k32},
                                       {k32, k32, 0}};
  for (const Shape& shape : too_many) {
    const std::string text = "[tensor] expected fewer than 2^59 elements, got shape " + shape.to_string();
    EXPECT_EQ(error_of<ShapeError>([&] { shape.numel(); }), text);
    EXPECT_EQ(error_of<ShapeError>([&] { Tensor::empty(shape, DType::u8); }), text);
    Strides none;
    none.resize(shape.size(), 0);
    EXPECT_EQ(error_of<ShapeError>([&] { Tensor::view(Storage(64, Device::cpu()), DType::f32, shape, none); }), text);
  }
  EXPECT_THROW((Shape{3, -1}.numel()), ShapeError);
  EXPECT_THROW((Shape{kLeast, 0}.numel()), ShapeError);
  EXPECT_THROW(contiguous_strides({k32, k32, k32}), ShapeError);
}

TEST(Sizes, OfMemoryThatNoDeviceHasAreAMemoryError) {
  EXPECT_EQ(error_of<MemoryError>([] { Tensor::empty({std::int64_t{1} << 58}, DType::f64); }),
            "[allocate] expected at most 2^56 bytes, got 2305843009213693952 on cpu");
  for (const std::size_t size : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1, (std::size_t{1} << 56) + 1}) {
    EXPECT_THROW(memory::allocate(size, Device::cpu()), MemoryError) << size;
    EXPECT_THROW(Storage(size, Device::cpu()), MemoryError) << size;
    const auto pool = std::make_shared<MemoryPool>(Device::cpu());
    EXPECT_THROW(pool->allocate(size), MemoryError) << size;
  }
}

TEST(Views, ThatReachBeyond64BitsAreShapeErrors) {
  const Tensor x = Tensor::empty({4}, DType::f32);
  for (const std::int64_t far : {kLeast, kLeast + 1, -k32, k32, (std::int64_t{1} << 62) + 1, kMost - 1, kMost}) {
    for (const std::int64_t offset : {std::int64_t{0}, std::int64_t{3}}) {
      EXPECT_THROW(x.as_strided({2}, {far}, offset), ShapeError) << far;
      EXPECT_THROW(x.as_strided({3, 3}, {far, far}, offset), ShapeError) << far;
      EXPECT_THROW(x.as_strided({3, 3}, {far, -(far + 1)}, offset), ShapeError) << far;
    }
    EXPECT_THROW(x.as_strided({1}, {1}, far), ShapeError) << far;
    EXPECT_THROW(x.as_strided({2}, {1}, far), ShapeError) << far;
    EXPECT_THROW(x.as_strided({k32}, {far}, 0), ShapeError) << far;
    EXPECT_NO_THROW(x.as_strided({0}, {far}, far)) << far;
    EXPECT_NO_THROW(x.as_strided({1}, {far}, 3)) << far;
  }
  EXPECT_THROW(x.as_strided({(std::int64_t{1} << 62) + 1}, {4}, 0), ShapeError);
}

TEST(CheckedSizes, ThrowWhereTheResultPasses64Bits) {
  EXPECT_EQ(checked_mul(-3, k32, "op"), -3 * k32);
  EXPECT_EQ(checked_add(kMost, kLeast, "op"), -1);
  EXPECT_EQ(error_of<ShapeError>([] { checked_mul(kMost, 2, "op"); }),
            "[op] expected sizes whose product fits into 64 bits, got 9223372036854775807 * 2");
  EXPECT_THROW(checked_add(kMost, 1, "op"), ShapeError);
  EXPECT_THROW(checked_mul(kLeast, -1, "op"), ShapeError);
}

TEST(PhiloxStream, RefusesABoundOfZero) {
  PhiloxStream stream({.key = 1});
  EXPECT_EQ(error_of<ConfigError>([&] { stream.below(0); }), "[below] expected a bound of at least 1, got 0");
  EXPECT_EQ(stream.below(1), 0U);
}

TEST(ScalarNumber, KnowsUnsignedNumbers) {
  const Scalar most = std::numeric_limits<std::uint64_t>::max(), half = std::uint64_t{1} << 63;
  EXPECT_EQ(most.to<double>(), 0x1p64);
  EXPECT_EQ(half.to<float>(), 0x1p63F);
  EXPECT_TRUE(half.exceeds_i64());
  EXPECT_FALSE(Scalar(std::uint64_t{1} << 62).exceeds_i64());
  EXPECT_EQ(most.dtype(), DType::i64);
  EXPECT_EQ(most.to_string(), "18446744073709551615");
  EXPECT_FALSE(half.fits(DType::i64));
  EXPECT_TRUE(half.fits(DType::f32));
}

TEST(ScalarNumber, KnowsWhichDtypesHoldIt) {
  EXPECT_TRUE(Scalar(255).fits(DType::u8));
  EXPECT_FALSE(Scalar(256).fits(DType::u8));
  EXPECT_FALSE(Scalar(-1).fits(DType::u8));
  EXPECT_TRUE(Scalar(255.9).fits(DType::u8));
  EXPECT_TRUE(Scalar(-0.9).fits(DType::u8));
  EXPECT_FALSE(Scalar(-1.0).fits(DType::u8));
  EXPECT_TRUE(Scalar(-0x1p63).fits(DType::i64));
  EXPECT_FALSE(Scalar(0x1p63).fits(DType::i64));
  EXPECT_TRUE(Scalar(2147483647.5).fits(DType::i32));
  EXPECT_FALSE(Scalar(2147483648.0).fits(DType::i32));
  for (const DType dtype : {DType::i64, DType::i32, DType::u8}) {
    EXPECT_FALSE(Scalar(std::numeric_limits<double>::quiet_NaN()).fits(dtype));
    EXPECT_FALSE(Scalar(std::numeric_limits<double>::infinity()).fits(dtype));
  }
  EXPECT_TRUE(Scalar(std::numeric_limits<double>::infinity()).fits(DType::f32));
  EXPECT_FALSE(Scalar(1e39).fits(DType::f32));
  EXPECT_TRUE(Scalar(1e39).fits(DType::f64));
  EXPECT_TRUE(Scalar(300).fits(DType::boolean));
  EXPECT_EQ(Scalar(0.1).to_string(), "0.1");
  EXPECT_EQ(Scalar(true).to_string(), "true");
}

}  // namespace
}  // namespace hop
