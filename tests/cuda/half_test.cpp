// Tensors of bf16 and f16 on the device: moves and conversions give the CPU's bits, operations widen as there.
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/matmul.h"
#include "kernels/reduce.h"
#include "kernels/view.h"
#include "tests/cuda/layouts.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::close;
using hop::testing::fetch;
using hop::testing::for_each_schedule;
using hop::testing::mirror;
using hop::testing::random_tensor;
using hop::testing::same_bits;
using hop::testing::values;

using CudaHalf = OnDevice;

constexpr DType kHalves[] = {DType::bf16, DType::f16};

Tensor random_half(const Shape& shape, DType dtype, std::uint64_t seed = 1) {
  return cast(random_tensor(shape, DType::f32, seed, -4, 4), dtype);
}

TEST_F(CudaHalf, ConvertsFromAndToEveryDtypeAsTheCpuDoes) {
  const Tensor x = random_tensor({5, 37}, DType::f32, 1, 0, 200);
  for (const DType half : kHalves) {
    for (const DType other :
         {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean, DType::bf16, DType::f16}) {
      const Tensor from = cast(x, other), there = mirror(from);
      for_each_schedule([&] { EXPECT_TRUE(same_bits(fetch(cast(there, half)), cast(from, half))) << name(other); });
      const Tensor back = cast(x, half), back_there = mirror(back);
      for_each_schedule(
          [&] { EXPECT_TRUE(same_bits(fetch(cast(back_there, other)), cast(back, other))) << name(other); });
    }
  }
}

TEST_F(CudaHalf, RoundsEveryTieAndKeepsInfinitiesAndNaN) {
  const std::vector<float> numbers = {1 + 0x1p-8F, 1 + 0x1.8p-7F, 1 + 0x1p-11F, 1 + 0x1.8p-10F, 65519.0F,
                                      65520.0F,    0x1p-25F,      0x1.8p-25F,   0x1p-24F,       0x1.8p-24F,
                                      0x1p-14F,    0x1.FFEp-15F,  0x1.FF8p127F, 0x1.FEp127F,    HUGE_VALF,
                                      NAN,         0.0F,          0x1p-134F,    0x1.8p-133F,    3.0F};
  const auto n = static_cast<std::int64_t>(numbers.size());
  const Tensor x = Tensor::from(std::span<const float>(numbers), {n}), both = cat(std::vector{x, neg(x)}, 0);
  const Tensor there = mirror(both);
  for (const DType half : kHalves) {
    for_each_schedule([&] { EXPECT_TRUE(same_bits(fetch(cast(there, half)), cast(both, half))) << name(half); });
  }
}

TEST_F(CudaHalf, MovesElementsInEveryLayout) {
  for (const DType half : kHalves) {
    for (const Shape& shape : {Shape{1}, Shape{19}, Shape{33, 65}, Shape{3, 16, 18}}) {
      const Tensor x = random_half(shape, half), there = mirror(x);
      for_each_schedule([&] {
        EXPECT_TRUE(same_bits(fetch(clone(there)), x));
        if (x.dim() < 2) return;
        EXPECT_TRUE(same_bits(fetch(contiguous(transpose(there, 0, -1))), contiguous(transpose(x, 0, -1))));
        const Tensor odd = slice(there, 1, 1, 2), here = slice(x, 1, 1, 2);
        EXPECT_TRUE(same_bits(fetch(contiguous(odd)), contiguous(here)));
      });
    }
    const Tensor filled = full({7, 9}, 0.1, half, Device::cuda()), counted = arange(33, half, Device::cuda());
    EXPECT_TRUE(same_bits(fetch(filled), full({7, 9}, 0.1, half)));
    EXPECT_TRUE(same_bits(fetch(counted), arange(33, half)));
  }
}

TEST_F(CudaHalf, GathersAndSelects) {
  for (const DType half : kHalves) {
    const Tensor x = random_half({6, 5}, half), rows = Tensor::from<std::int64_t>({5, 0, 5}, {3});
    const Tensor places = Tensor::from<std::int64_t>({0, 4, 1, 2, 2, 3}, {6, 1});
    const Tensor there = mirror(x), rows_there = mirror(rows), places_there = mirror(places);
    for_each_schedule([&] {
      EXPECT_TRUE(same_bits(fetch(index_select(there, 0, rows_there)), index_select(x, 0, rows)));
      EXPECT_TRUE(same_bits(fetch(gather(there, 1, places_there)), gather(x, 1, places)));
    });
  }
}

TEST_F(CudaHalf, WidensReducesAndMultiplies) {
  for (const DType half : kHalves) {
    const Tensor a = random_half({17, 33}, half), b = random_half({33}, half, 2), w = random_half({33, 9}, half, 3);
    const Tensor a_there = mirror(a), b_there = mirror(b), w_there = mirror(w);
    static constexpr std::int64_t kRows[] = {1};
    const double step = half == DType::bf16 ? 0x1p-7 : 0x1p-10;
    for_each_schedule([&] {
      EXPECT_TRUE(same_bits(fetch(add(a_there, b_there)), add(a, b)));
      EXPECT_TRUE(same_bits(fetch(mul(a_there, 0.3)), mul(a, 0.3)));
      EXPECT_TRUE(same_bits(fetch(gt(a_there, b_there)), gt(a, b)));
      const Tensor total = fetch(sum(a_there, kRows)), product = fetch(matmul(a_there, w_there));
      EXPECT_EQ(total.dtype(), half);
      EXPECT_EQ(product.dtype(), half);
      EXPECT_TRUE(close(cast(total, DType::f64), values<double>(cast(sum(a, kRows), DType::f64)), step, 1e-2));
      EXPECT_TRUE(close(cast(product, DType::f64), values<double>(cast(matmul(a, w), DType::f64)), step, 1e-2));
      EXPECT_TRUE(same_bits(fetch(argmax(a_there, 1)), argmax(a, 1)));
    });
  }
}

}  // namespace
}  // namespace hop::kernels::cuda
