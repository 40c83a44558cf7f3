// The ladder of matrix products: every rung computes the same, at sizes that fill no tile.
#include "kernels/cuda/lessons/matmul.h"

#include <cmath>

#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"
#include "tests/kernels/bf16.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels::cuda::lessons {
namespace {

using hop::testing::random_tensor;
using hop::testing::rounded_to_bf16;
using hop::testing::same_bits_in_every_schedule;
using hop::testing::values;

struct Size {
  int m, n, k;
};
constexpr Size kSizes[] = {{1, 1, 1}, {31, 33, 32}, {32, 32, 33}, {129, 5, 17}, {5, 130, 8}, {1, 7, 1023}};

using Multiply = void (*)(const float* a, const float* b, float* y, int m, int n, int k);

struct Rung {
  const char* name;
  Multiply multiply;
};

Tensor run(Multiply multiply, const Tensor& a, const Tensor& b) {
  const Tensor y = Tensor::empty({a.shape()[0], b.shape()[1]}, DType::f32, Device::cuda());
  const Tensor u = on_device(a), v = on_device(b);
  multiply(u.data<float>(), v.data<float>(), y.data<float>(), static_cast<int>(a.shape()[0]),
           static_cast<int>(b.shape()[1]), static_cast<int>(a.shape()[1]));
  return on_host(y);
}

class Lesson : public OnDevice, public ::testing::WithParamInterface<Rung> {
 protected:
  static Tensor multiply(const Tensor& a, const Tensor& b) { return run(GetParam().multiply, a, b); }
};

/// One chain of fused multiply-adds per result, in the order of k.
std::vector<float> chain(const Tensor& a, const Tensor& b) {
  const std::int64_t m = a.shape()[0], k = a.shape()[1], n = b.shape()[1];
  std::vector<float> y;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      float sum = 0;
      for (std::int64_t d = 0; d < k; ++d) sum = std::fma(a.data<float>()[i * k + d], b.data<float>()[d * n + j], sum);
      y.push_back(sum);
    }
  }
  return y;
}

TEST_P(Lesson, AddsTheProductsOfEveryResultInTheOrderOfK) {
  for (const Size z : kSizes) {
    SCOPED_TRACE(std::to_string(z.m) + " x " + std::to_string(z.n) + " x " + std::to_string(z.k));
    const Tensor a = random_tensor({z.m, z.k}, DType::f32, 1), b = random_tensor({z.k, z.n}, DType::f32, 2);
    EXPECT_EQ(values<float>(multiply(a, b)), chain(a, b));
  }
}

TEST_P(Lesson, DoesNotDependOnTheSchedule) {
  const Tensor a = random_tensor({33, 40}, DType::f32, 3), b = random_tensor({40, 35}, DType::f32, 4);
  same_bits_in_every_schedule([&] { return values<float>(multiply(a, b)); });
}

INSTANTIATE_TEST_SUITE_P(Matmul, Lesson,
                         ::testing::Values(Rung{"Naive", matmul_naive}, Rung{"SharedTiles", matmul_shared_tiles},
                                           Rung{"RegisterTiles", matmul_register_tiles}),
                         [](const auto& rung) { return std::string(rung.param.name); });

using LessonTensorCores = OnDevice;

// A tensor core adds in an order of its own, so the bound is that of any order: 2^-20 of the sum of magnitudes.
TEST_F(LessonTensorCores, MultiplyBf16FactorsAndAddInF32) {
  for (const Size z : kSizes) {
    SCOPED_TRACE(std::to_string(z.m) + " x " + std::to_string(z.n) + " x " + std::to_string(z.k));
    const Tensor a = random_tensor({z.m, z.k}, DType::f32, 5), b = random_tensor({z.k, z.n}, DType::f32, 6);
    const Tensor y = run(matmul_tensor_cores, a, b);
    const auto u = values<double>(rounded_to_bf16(a)), v = values<double>(rounded_to_bf16(b));
    for (std::int64_t i = 0; i < z.m; ++i) {
      for (std::int64_t j = 0; j < z.n; ++j) {
        double sum = 0, magnitude = 0;
        for (std::int64_t d = 0; d < z.k; ++d) {
          const double term = u[static_cast<std::size_t>(i * z.k + d)] * v[static_cast<std::size_t>(d * z.n + j)];
          sum += term;
          magnitude += std::abs(term);
        }
        ASSERT_NEAR(static_cast<double>(y.data<float>()[i * z.n + j]), sum, magnitude * 0x1p-20) << i << ' ' << j;
      }
    }
  }
}

TEST_F(LessonTensorCores, DoNotDependOnTheSchedule) {
  const Tensor a = random_tensor({65, 40}, DType::f32, 7), b = random_tensor({40, 35}, DType::f32, 8);
  same_bits_in_every_schedule([&] { return values<float>(run(matmul_tensor_cores, a, b)); });
}

}  // namespace
}  // namespace hop::kernels::cuda::lessons
