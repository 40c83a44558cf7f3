// Copies between f32 tensors and images in bf16: every rounding, every layout, every way.
#include <cstring>
#include <limits>

#include "kernels/copy.h"
#include "kernels/cuda/copy_internal.h"
#include "kernels/view.h"
#include "tests/cuda/bf16.h"
#include "tests/cuda/layouts.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::fetch;
using hop::testing::fetch_bf16;
using hop::testing::for_each_schedule;
using hop::testing::from_bf16;
using hop::testing::mirror;
using hop::testing::random_tensor;
using hop::testing::rounded_to_bf16;
using hop::testing::to_bf16;
using hop::testing::values;

using CudaBf16 = OnDevice;

/// The values of an image of x, in the order of its memory: N, H, W, C.
std::vector<std::uint16_t> rounded_channels_last(const Tensor& x) {
  const std::vector<std::int64_t> order = {0, 2, 3, 1};
  std::vector<std::uint16_t> bits;
  for (const double value : values<double>(permute(x, order))) bits.push_back(to_bf16(value));
  return bits;
}

std::vector<std::uint16_t> image_of(const Tensor& x) {
  const HalfImage image(x.shape(), DType::bf16, x.device());
  copy(image, x);
  return fetch_bf16(image.data(), x.numel());
}

Tensor back_and_forth(const Tensor& x) {
  const HalfImage image(x.shape(), DType::bf16, x.device());
  copy(image, x);
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  copy(y, image);
  return y;
}

const std::vector<Shape> kShapes = {{1, 1, 1, 1},  {2, 1, 5, 7},   {3, 3, 7, 9},    {2, 8, 4, 8},    {2, 16, 7, 9},
                                    {1, 31, 1, 1}, {5, 32, 33, 1}, {2, 33, 31, 33}, {4, 7, 1, 1023}, {1, 67, 2, 2}};

TEST_F(CudaBf16, RoundsToTheNearestWithTiesToEven) {
  const float one = 1.0F, step = 0x1p-7F, largest = 0x1.FEp127F, inf = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<float, float>> cases = {
      {one, one},
      {one + step / 2, one},                            // a tie; 1 is even
      {one + step / 2 + 0x1p-23F, one + step},          // a bit more than one
      {one + 3 * step / 2, one + 2 * step},             // a tie; the upper neighbour is even
      {-one - step / 2, -one},                          //
      {0.0F, 0.0F},                                     //
      {-0.0F, -0.0F},                                   //
      {largest, largest},                               //
      {std::numeric_limits<float>::max(), inf},         // beyond the largest bf16
      {-inf, -inf},                                     //
      {0x1p-133F, 0x1p-133F},                           // the smallest bf16
      {0x1p-134F, 0.0F},                                // a tie below it
      {0x1.8p-134F, 0x1p-133F},                         //
      {0x1.FFp-127F, 0x1p-126F},                        // up into the normal numbers
      {std::numeric_limits<float>::denorm_min(), 0.0F}  //
  };
  const auto n = static_cast<std::int64_t>(cases.size());
  const Tensor x = Tensor::empty({1, 1, 1, n}, DType::f32);
  for (std::size_t i = 0; i < cases.size(); ++i) x.data<float>()[i] = cases[i].first;
  const Tensor y = fetch(back_and_forth(mirror(x)));
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(y.data<float>()[i], cases[i].second) << cases[i].first;
    EXPECT_EQ(std::signbit(y.data<float>()[i]), std::signbit(cases[i].second)) << cases[i].first;
  }
}

TEST_F(CudaBf16, KeepsNaNsWhateverTheirBits) {
  const Tensor x = Tensor::empty({1, 1, 1, 4}, DType::f32);
  const std::uint32_t bits[] = {0x7FC00000U, 0x7F800001U, 0xFFFFFFFFU, 0x7FFFFFFFU};
  std::memcpy(x.raw_data(), bits, sizeof bits);
  for (const std::uint16_t y : image_of(mirror(x))) EXPECT_TRUE(std::isnan(from_bf16(y))) << y;
}

TEST_F(CudaBf16, WidensEveryNumberExactly) {
  const HalfImage image({1, 1, 256, 256}, DType::bf16, Device::cuda());
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  backend(Device::cuda()).copy(image.data(), all.data(), all.size() * 2);
  const Tensor y = Tensor::empty({1, 1, 256, 256}, DType::f32, Device::cuda());
  copy(y, image);
  const Tensor here = fetch(y);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double expected = from_bf16(all[i]);
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(here.data<float>()[i])) << i;
    else
      ASSERT_EQ(here.data<float>()[i], expected) << i;
  }
}

TEST_F(CudaBf16, PutsTheChannelsOfAPixelSideBySide) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(shape.to_string());
    const Tensor x = random_tensor(shape), there = mirror(x);
    for_each_schedule([&] { EXPECT_EQ(image_of(there), rounded_channels_last(x)); });
  }
}

TEST_F(CudaBf16, ComesBackAsTheRoundedImage) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(shape.to_string());
    const Tensor x = random_tensor(shape), there = mirror(x);
    for_each_schedule([&] {
      const auto y = values<double>(fetch(back_and_forth(there)));
      const auto expected = values<double>(x);
      for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], rounded_to_bf16(expected[i])) << i;
    });
  }
}

TEST_F(CudaBf16, ReadsAndWritesEveryLayout) {
  const Tensor x = random_tensor({3, 8, 4, 12});
  for (const Tensor& layout : hop::testing::layouts(x)) {
    EXPECT_EQ(image_of(mirror(layout)), rounded_channels_last(x));
    const HalfImage image(x.shape(), DType::bf16, Device::cuda());
    copy(image, mirror(x));
    const Tensor y = mirror(layout);
    copy(y, image);
    EXPECT_EQ(values<double>(fetch(y)), values<double>(fetch(back_and_forth(mirror(x)))));
  }
}

TEST_F(CudaBf16, TakesTheFastestWayThatFits) {
  const auto way = [](const Shape& shape) {
    const Tensor x = Tensor::empty(shape, DType::f32, Device::cuda());
    const HalfImage image(shape, DType::bf16, x.device());
    const CopyPlan to(image.view(), x, Conversion::of_tiles), from(x, image.view(), Conversion::of_tiles);
    EXPECT_EQ(to.way, from.way);
    return to.way;
  };
  EXPECT_EQ(way({2, 16, 7, 9}), CopyWay::tiles);
  EXPECT_EQ(way({2, 1, 8, 8}), CopyWay::packets);   // one channel: the order is the same
  EXPECT_EQ(way({6, 16, 1, 1}), CopyWay::packets);  // one pixel as well
  EXPECT_EQ(way({2, 3, 8, 8}), CopyWay::elements);  // too narrow for tiles
}

TEST_F(CudaBf16, TakesSeveralTurnsPerBlockWhereBlocksAreFew) {
  const hop::testing::FewBlocks few;
  const Tensor x = random_tensor({3, 40, 9, 11}), there = mirror(x);
  for_each_schedule([&] { EXPECT_EQ(image_of(there), rounded_channels_last(x)); });
}

}  // namespace
}  // namespace hop::kernels::cuda
