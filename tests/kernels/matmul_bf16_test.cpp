// Products with factors rounded to bf16: the rounding, the packing into blocks, and what stays exact.
#include <bit>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/cpu/pack_bf16_internal.h"
#include "kernels/matmul.h"
#include "kernels/precision.h"
#include "kernels/view.h"
#include "tests/kernels/bf16.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

/// a (m, k) b (k, n) in doubles.
std::vector<double> reference(const Tensor& a, const Tensor& b) {
  const std::int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  const std::vector<double> u = values<double>(a), v = values<double>(b);
  std::vector<double> y(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t q = 0; q < k; ++q) {
      for (std::int64_t j = 0; j < n; ++j) {
        y[static_cast<std::size_t>(i * n + j)] +=
            u[static_cast<std::size_t>(i * k + q)] * v[static_cast<std::size_t>(q * n + j)];
      }
    }
  }
  return y;
}

TEST(MatmulBf16, RoundsTheFactorsAndSumsInF32) {
  const Tensor a = random_tensor({33, 70}, DType::f32, 1), weight = random_tensor({50, 70}, DType::f32, 2),
               bias = random_tensor({50}, DType::f32, 3);
  const PrecisionScope scope(Precision::bf16);
  const Tensor y = linear(a, weight, bias);
  const bool rounds = has_bf16();  // else nothing changes
  const Tensor u = rounds ? rounded_to_bf16(a) : a, v = rounds ? rounded_to_bf16(weight) : weight;
  std::vector<double> golden = reference(u, transpose(v, 0, 1));
  for (std::size_t i = 0; i < golden.size(); ++i) golden[i] += static_cast<double>(bias.data<float>()[i % 50]);
  EXPECT_TRUE(close(y, golden, 0, 1e-5));
  const Tensor small = matmul(slice(a, 0, 0, 2), transpose(weight, 0, 1));  // not worth rounding
  set_precision(Precision::strict);
  EXPECT_TRUE(same_bits(small, matmul(slice(a, 0, 0, 2), transpose(weight, 0, 1))));
  EXPECT_NE(same_bits(y, linear(a, weight, bias)), rounds);
  EXPECT_EQ(precision_of(name(Precision::tf32)), Precision::tf32);
  EXPECT_EQ(precision_of("f16"), Precision::f16);
  EXPECT_EQ(name(Precision::f16), "f16");
  EXPECT_THROW(precision_of("half"), ConfigError);
}

// Weights as they lie (n, k), and transposed; sizes on and beside the edges of the packed blocks of 32 x 64.
TEST(MatmulBf16, RoundsEveryEdgeOfItsBlocks) {
  const PrecisionScope scope(Precision::bf16);
  for (const std::int64_t k : {16, 31, 32, 33, 63, 64, 95, 200}) {
    for (const std::int64_t n : {48, 49, 63, 64, 65, 127, 130}) {
      const Tensor a = random_tensor({20, k}, DType::f32, 1), b = random_tensor({k, n}, DType::f32, 2);
      const Tensor lies_by_columns = transpose(contiguous(transpose(b, 0, 1)), 0, 1);
      const Tensor y = matmul(a, b);
      const std::vector<double> golden =
          has_bf16() ? reference(rounded_to_bf16(a), rounded_to_bf16(b)) : reference(a, b);
      EXPECT_TRUE(close(y, golden, 0, 1e-4)) << k << " x " << n;
      EXPECT_TRUE(same_bits(matmul(a, lies_by_columns), y)) << k << " x " << n;
    }
  }
}

// Several threads pack blocks of columns each.
TEST(MatmulBf16, PacksTheSameBytesInOnePieceAndInParts) {
  constexpr std::int64_t kRows = 70, kColumns = 300, kBlocks = Bf16Packing::column_blocks(kColumns);
  const Tensor b = random_tensor({kRows, kColumns}, DType::f32, 1);
  for (const bool transposed : {false, true}) {
    const auto pack = [&](std::initializer_list<std::int64_t> cuts) {
      const Storage packed(Bf16Packing::size(kRows, kColumns) * sizeof(std::uint16_t), Device::cpu());
      const Bf16Packing packing{b.data<float>(), kRows, kColumns, transposed,
                                reinterpret_cast<std::uint16_t*>(packed.data())};
      for (auto cut = cuts.begin(); cut + 1 != cuts.end(); ++cut) HOP_PICK(pack_bf16)(packing, *cut, *(cut + 1));
      return packed;
    };
    const Storage whole = pack({0, kBlocks}), parts = pack({0, 1, 3, kBlocks});
    EXPECT_EQ(std::memcmp(whole.data(), parts.data(), whole.size()), 0) << transposed;
  }
}

TEST(MatmulBf16, AgreesWithTheDefinitionOnSeveralThreads) {
  const PrecisionScope scope(Precision::bf16);
  const Tensor a = random_tensor({40, 300}, DType::f32, 1), b = random_tensor({300, 1000}, DType::f32, 2);
  const std::vector<double> golden = has_bf16() ? reference(rounded_to_bf16(a), rounded_to_bf16(b)) : reference(a, b);
  for (const int threads : {1, 2, 3}) {
    const ComputeThreads scope_of_threads(threads);
    EXPECT_TRUE(close(matmul(a, b), golden, 0, 1e-4)) << threads;
  }
}

TEST(MatmulBf16, KeepsInfinitiesNansAndSigns) {
  const PrecisionScope scope(Precision::bf16);
  for (const bool by_columns : {false, true}) {
    Tensor b = ones({32, 64});
    const auto at = [&](std::int64_t k, std::int64_t n) -> float& { return b.data<float>()[k * 64 + n]; };
    at(3, 5) = INFINITY;
    at(4, 6) = -INFINITY;
    at(5, 7) = std::bit_cast<float>(0x7FFFFFFFU);  // a NaN that would round up into a zero
    at(6, 8) = std::bit_cast<float>(0xFFFFFFFFU);
    at(7, 9) = std::numeric_limits<float>::max();  // rounds up to infinity
    if (by_columns) b = transpose(contiguous(transpose(b, 0, 1)), 0, 1);
    const Tensor y = matmul(ones({16, 32}), b);
    const float* row = y.data<float>();
    EXPECT_EQ(row[5], INFINITY);
    EXPECT_EQ(row[6], -INFINITY);
    EXPECT_TRUE(std::isnan(row[7]) && std::isnan(row[8]));
    EXPECT_TRUE(row[9] > 1e38F);
    EXPECT_EQ(row[10], 32);
  }
}

}  // namespace
}  // namespace hop::kernels
