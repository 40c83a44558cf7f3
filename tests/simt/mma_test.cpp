// The emulated tensor-core product against the plain product of the matrices that the lanes load and store by the
// layout of the PTX ISA's figures, written out here once more, element by element.
#include "kernels/cuda/lessons/mma.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/cuda/schedules.h"
#include "tests/simt/device_array.h"

namespace hop::kernels::cuda {
namespace {

using ::hop::testing::DeviceArray;
using ::hop::testing::same_bits_in_every_schedule;

// a (16, 16) and b (16, 8) row by row, c (16, 8). a_i of the ISA is half i % 2 of register i / 2.
__global__ void multiply(const float* a, const float* b, float* c) {
  const int group = static_cast<int>(threadIdx.x) >> 2, in_group = static_cast<int>(threadIdx.x) % 4;
  const auto a_at = [&](int i) {
    const int row = (i < 2 || (i >= 4 && i < 6)) ? group : group + 8;
    const int column = in_group * 2 + (i & 1) + (i < 4 ? 0 : 8);
    return a[row * 16 + column];
  };
  const auto b_at = [&](int i) {
    const int row = in_group * 2 + (i & 1) + (i < 2 ? 0 : 8);
    return b[row * 8 + group];
  };
  const auto c_at = [&](int i) -> float& {
    const int row = i < 2 ? group : group + 8;
    return c[row * 8 + in_group * 2 + (i & 1)];
  };
  const unsigned a_registers[4] = {pack_bf16(a_at(0), a_at(1)), pack_bf16(a_at(2), a_at(3)),
                                   pack_bf16(a_at(4), a_at(5)), pack_bf16(a_at(6), a_at(7))};
  const unsigned b_registers[2] = {pack_bf16(b_at(0), b_at(1)), pack_bf16(b_at(2), b_at(3))};
  float c_registers[4] = {c_at(0), c_at(1), c_at(2), c_at(3)};
  mma_m16n8k16(c_registers, a_registers, b_registers);
  for (int i = 0; i < 4; ++i) c_at(i) = c_registers[i];
}

TEST(Mma, AddsTheProductOfTheMatricesThatTheLanesHold) {
  std::vector<float> a(16 * 16), b(16 * 8), c(16 * 8), golden(16 * 8);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i * 37 % 101) - 50;  // whole numbers: bf16 and
  for (std::size_t i = 0; i < b.size(); ++i)
    b[i] = static_cast<float>(i * 53 % 97) - 48;  // every sum hold them exactly
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(i);
  for (std::size_t row = 0; row < 16; ++row) {
    for (std::size_t column = 0; column < 8; ++column) {
      float sum = c[row * 8 + column];
      for (std::size_t k = 0; k < 16; ++k) sum += a[row * 16 + k] * b[k * 8 + column];
      golden[row * 8 + column] = sum;
    }
  }
  const auto product = same_bits_in_every_schedule([&] {
    const DeviceArray<float> on_a(a), on_b(b), on_c(c);
    launch(multiply, 1, 32, 0, nullptr, on_a.data(), on_b.data(), on_c.data());
    return on_c.to_host();
  });
  EXPECT_EQ(product, golden);
}

TEST(Mma, PacksTwoFloatsRoundedToNearestEven) {
  EXPECT_EQ(pack_bf16(1.0F, -2.0F), 0xc0003f80U);
  EXPECT_EQ(pack_bf16(1.0F + 0x1p-8F, 1.0F + 0x1p-7F), 0x3f813f80U);  // a tie goes to the even one; exact
  EXPECT_EQ(pack_bf16(1.0F + 3 * 0x1p-8F, 0.0F), 0x00003f82U);        // a tie, upwards
  EXPECT_EQ(pack_bf16(1.0F + 0x1.01p-8F, 0.0F), 0x00003f81U);         // just above a tie
  EXPECT_EQ(pack_bf16(std::numeric_limits<float>::max(), -INFINITY), 0xff807f80U);
  EXPECT_EQ(pack_bf16(NAN, 0.0F), 0x00007fffU);
}

}  // namespace
}  // namespace hop::kernels::cuda
