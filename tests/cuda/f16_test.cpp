// Copies between f32 tensors and images in f16. The ways of a copy are those of bf16 (bf16_test.cpp); the roundings and
// the conversions are its own.
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cuda/copy_internal.h"
#include "kernels/view.h"
#include "tests/cuda/bf16.h"
#include "tests/cuda/layouts.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"
#include "tests/kernels/f16.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::fetch;
using hop::testing::fetch_bf16;
using hop::testing::for_each_schedule;
using hop::testing::from_f16;
using hop::testing::mirror;
using hop::testing::random_tensor;
using hop::testing::rounded_to_f16;
using hop::testing::to_f16;
using hop::testing::values;

using CudaF16 = OnDevice;

HalfImage image_of(const Tensor& x) {
  HalfImage image(x.shape(), DType::f16, x.device());
  copy(image, x);
  return image;
}

std::vector<std::uint16_t> bits_of(const Tensor& x) { return fetch_bf16(image_of(x).data(), x.numel()); }

Tensor back_and_forth(const Tensor& x) {
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  copy(y, image_of(x));
  return y;
}

/// The values of an image of x, in the order of its memory: N, H, W, C.
std::vector<std::uint16_t> rounded_channels_last(const Tensor& x) {
  const std::vector<std::int64_t> order = {0, 2, 3, 1};
  std::vector<std::uint16_t> bits;
  for (const double value : values<double>(permute(x, order))) bits.push_back(to_f16(value));
  return bits;
}

TEST_F(CudaF16, RoundsToTheNearestAndOverflowsToInfinity) {
  const float one = 1.0F, step = 0x1p-10F, inf = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<float, float>> cases = {
      {one, one},
      {one + step / 2, one},                    // a tie; 1 is even
      {one + step / 2 + 0x1p-23F, one + step},  // a bit more than one
      {one + 3 * step / 2, one + 2 * step},     // a tie; the upper neighbour is even
      {-one - step / 2, -one},                  //
      {-0.0F, -0.0F},                           //
      {65504.0F, 65504.0F},                     // the largest f16
      {65519.0F, 65504.0F},                     // below half a step beyond it
      {65520.0F, inf},                          // half a step beyond it
      {-1e6F, -inf},                            //
      {-inf, -inf},                             //
      {0x1p-24F, 0x1p-24F},                     // the smallest f16
      {0x1p-25F, 0.0F},                         // a tie below it
      {0x1.8p-25F, 0x1p-24F},                   //
      {0x1.FFFp-15F, 0x1p-14F},                 // up into the normal numbers
      {std::numeric_limits<float>::denorm_min(), 0.0F}};
  const auto n = static_cast<std::int64_t>(cases.size());
  const Tensor x = Tensor::empty({1, 1, 1, n}, DType::f32);
  for (std::size_t i = 0; i < cases.size(); ++i) x.data<float>()[i] = cases[i].first;
  const Tensor y = fetch(back_and_forth(mirror(x)));
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(y.data<float>()[i], cases[i].second) << cases[i].first;
    EXPECT_EQ(std::signbit(y.data<float>()[i]), std::signbit(cases[i].second)) << cases[i].first;
  }
}

TEST_F(CudaF16, KeepsNaNsWhateverTheirBits) {
  const Tensor x = Tensor::empty({1, 1, 1, 4}, DType::f32);
  const std::uint32_t bits[] = {0x7FC00000U, 0x7F800001U, 0xFFFFFFFFU, 0x7FFFFFFFU};
  std::memcpy(x.raw_data(), bits, sizeof bits);
  for (const std::uint16_t y : bits_of(mirror(x))) EXPECT_TRUE(std::isnan(from_f16(y))) << y;
}

TEST_F(CudaF16, WidensEveryNumberExactly) {
  const HalfImage image({1, 1, 256, 256}, DType::f16, Device::cuda());
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  backend(Device::cuda()).copy(image.data(), all.data(), all.size() * 2);
  const Tensor y = Tensor::empty({1, 1, 256, 256}, DType::f32, Device::cuda());
  copy(y, image);
  const Tensor here = fetch(y);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double expected = from_f16(all[i]);
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(here.data<float>()[i])) << i;
    else
      ASSERT_EQ(here.data<float>()[i], expected) << i;
  }
}

TEST_F(CudaF16, TurnsAndRoundsEveryShapeAndLayout) {
  for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{2, 1, 5, 7}, Shape{3, 3, 7, 9}, Shape{2, 16, 7, 9},
                             Shape{5, 32, 33, 1}, Shape{2, 33, 31, 33}, Shape{6, 16, 1, 1}}) {
    SCOPED_TRACE(shape.to_string());
    const Tensor x = random_tensor(shape), there = mirror(x);
    for_each_schedule([&] {
      EXPECT_EQ(bits_of(there), rounded_channels_last(x));
      const auto y = values<double>(fetch(back_and_forth(there)));
      const auto expected = values<double>(x);
      for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], rounded_to_f16(expected[i])) << i;
    });
  }
  const Tensor x = random_tensor({3, 8, 4, 12});
  for (const Tensor& layout : hop::testing::layouts(x)) EXPECT_EQ(bits_of(mirror(layout)), rounded_channels_last(x));
}

}  // namespace
}  // namespace hop::kernels::cuda
