// Numbers of 16 bits against their definition (IEEE 754, clause 3.4), every one of them. PyTorch's and numpy's
// roundings are in tests/nn/golden_precision_test.cpp.
#include "tensor/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tensor/tensor.h"

namespace hop {
namespace {

/// The value of `bits` with 1 sign bit, `exponent` bits and `mantissa` bits.
double defined_value(std::uint32_t bits, int exponent, int mantissa) {
  const int e = static_cast<int>(bits >> mantissa & ((1U << exponent) - 1)), bias = (1 << (exponent - 1)) - 1;
  const double m = bits & ((1U << mantissa) - 1), sign = bits >> 15 != 0 ? -1 : 1;
  if (e == (1 << exponent) - 1) return m != 0 ? NAN : sign * HUGE_VAL;
  if (e == 0) return sign * std::ldexp(m, 1 - bias - mantissa);
  return sign * std::ldexp(m + (1 << mantissa), e - bias - mantissa);
}

template <class T>
struct Form {
  static constexpr int kExponent = std::is_same_v<T, Half> ? 5 : 8, kMantissa = 15 - kExponent;
  static double value(std::uint32_t bits) { return defined_value(bits, kExponent, kMantissa); }
  static std::uint32_t infinity() { return ((1U << kExponent) - 1) << kMantissa; }
};

template <class T>
T of_bits(std::uint32_t bits) {
  T x;
  x.bits = static_cast<std::uint16_t>(bits);
  return x;
}

template <class T>
class HalfNumber : public ::testing::Test {};
using Types = ::testing::Types<BFloat16, Half>;
TYPED_TEST_SUITE(HalfNumber, Types);

TYPED_TEST(HalfNumber, WidensToItsValueAndComesBack) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto x = of_bits<TypeParam>(bits);
    const double expected = Form<TypeParam>::value(bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(static_cast<float>(x))) << bits;
      ASSERT_TRUE(std::isnan(static_cast<float>(TypeParam(static_cast<float>(x))))) << bits;
      continue;
    }
    ASSERT_EQ(static_cast<double>(x), expected) << bits;
    ASSERT_EQ(std::signbit(static_cast<float>(x)), std::signbit(expected)) << bits;
    ASSERT_EQ(TypeParam(static_cast<float>(x)).bits, bits);
  }
}

TYPED_TEST(HalfNumber, RoundsToTheNearestAndATieToTheEvenOne) {
  const std::uint32_t infinity = Form<TypeParam>::infinity();
  for (const std::uint32_t sign : {0U, 0x8000U}) {
    for (std::uint32_t low = 0; low < infinity; ++low) {
      const double below = Form<TypeParam>::value(sign | low);
      // One step above the largest number stands infinity, for rounding.
      const double above = low + 1 == infinity ? 2 * below - Form<TypeParam>::value(sign | (low - 1))
                                               : Form<TypeParam>::value(sign | (low + 1));
      const auto middle = static_cast<float>((below + above) / 2);
      const float inwards = std::nextafter(middle, 0.0F), outwards = std::nextafter(middle, middle * HUGE_VALF);
      ASSERT_EQ(TypeParam(middle).bits, sign | (low + (low & 1U))) << middle;
      ASSERT_EQ(TypeParam(inwards).bits, sign | low) << inwards;
      ASSERT_EQ(TypeParam(outwards).bits, sign | (low + 1)) << outwards;
    }
  }
}

TYPED_TEST(HalfNumber, KeepsInfinitiesAndTheSignOfZero) {
  const std::uint32_t infinity = Form<TypeParam>::infinity();
  EXPECT_EQ(TypeParam(HUGE_VALF).bits, infinity);
  EXPECT_EQ(TypeParam(-HUGE_VALF).bits, infinity | 0x8000U);
  EXPECT_EQ(TypeParam(-0.0F).bits, 0x8000U);
  EXPECT_EQ(TypeParam(std::numeric_limits<float>::denorm_min()).bits, 0U);
  EXPECT_EQ(TypeParam(-std::numeric_limits<float>::denorm_min()).bits, 0x8000U);
  EXPECT_EQ(TypeParam(std::numeric_limits<float>::max()).bits, infinity);
}

TYPED_TEST(HalfNumber, KeepsNaNWhateverItsBits) {
  for (const std::uint32_t bits : {0x7FC00000U, 0x7F800001U, 0x7FFFFFFFU, 0xFF800001U, 0xFFFFFFFFU}) {
    const TypeParam x(std::bit_cast<float>(bits));
    EXPECT_TRUE(std::isnan(static_cast<float>(x))) << bits;
    EXPECT_EQ(x.bits >> 15, bits >> 31);
  }
}

TYPED_TEST(HalfNumber, IsReadFromATensorAsAnyNumber) {
  const Tensor x = Tensor::from<TypeParam>({TypeParam(-2.5F), TypeParam(0)}, {2});
  EXPECT_EQ(x.dtype(), dtype_of<TypeParam>());
  EXPECT_EQ(x.as_strided({}, {}, 0).template item<double>(), -2.5);
  EXPECT_EQ(x.as_strided({}, {}, 0).template item<int>(), -2);
  EXPECT_TRUE(x.as_strided({}, {}, 0).template item<bool>());
  EXPECT_FALSE(x.as_strided({}, {}, 1).template item<bool>());
  EXPECT_EQ(static_cast<float>(x.as_strided({}, {}, 0).template item<Half>()), -2.5F);
  EXPECT_EQ(x.template data<TypeParam>()[0].bits, TypeParam(-2.5F).bits);
}

}  // namespace
}  // namespace hop
