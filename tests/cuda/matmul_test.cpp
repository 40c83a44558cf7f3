// Products on the device: our own kernel bit by bit against its definition, and whatever the device uses by default
// (cuBLASLt on a GPU that has it) against sums in double.
#include "kernels/matmul.h"

#include <cmath>

#include "kernels/copy_operations.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/matmul_internal.h"
#include "kernels/matmul_operations.h"
#include "tests/cuda/bf16.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"
#include "tests/kernels/f16.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::random_tensor;
using hop::testing::same_bits;
using hop::testing::same_bits_in_every_schedule;
using hop::testing::values;
using hop::testing::with_order;

using CudaMatmul = OnDevice;

/// The definition: one chain of fused multiply-adds per element, in the order of k. Operands (m, k), (k, n), any
/// layout.
template <class T>
Tensor by_definition(const Tensor& a, const Tensor& b, const Tensor& bias) {
  const std::int64_t m = a.shape()[0], k = a.shape()[1], n = b.shape()[1];
  const std::vector<T> u = values<T>(a), v = values<T>(b);
  const Tensor y = Tensor::empty({m, n}, a.dtype());
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      T sum = 0;
      for (std::int64_t d = 0; d < k; ++d) {
        sum = std::fma(u[static_cast<std::size_t>(i * k + d)], v[static_cast<std::size_t>(d * n + j)], sum);
      }
      y.data<T>()[i * n + j] = bias.defined() ? sum + bias.data<T>()[j] : sum;
    }
  }
  return y;
}
Tensor by_definition(const Tensor& a, const Tensor& b, const Tensor& bias = {}) {
  return a.dtype() == DType::f64 ? by_definition<double>(a, b, bias) : by_definition<float>(a, b, bias);
}

Tensor on_device_or_none(const Tensor& x) { return x.defined() ? on_device(x) : x; }

/// The operation itself, without the shape rule.
Tensor multiply(const Tensor& a, const Tensor& b, const Shape& y_shape, const Tensor& bias = {}) {
  const Tensor y = Tensor::empty(y_shape, a.dtype(), Device::cuda());
  MatmulOperations::cuda.matmul("matmul", on_device(a), on_device(b), on_device_or_none(bias), y);
  return on_host(y);
}

struct Size {
  std::int64_t m, n, k;
};
constexpr Size kSizes[] = {{1, 1, 1},    {1, 33, 7},   {31, 1, 33},  {64, 64, 16},
                           {65, 63, 17}, {32, 130, 1}, {3, 5, 1023}, {1100, 1050, 9}};  // 81 large tiles

TEST_F(CudaMatmul, OwnKernelIsItsDefinitionBitByBit) {
  const MathGuard own({.own_kernels = true});
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Size z : kSizes) {
      SCOPED_TRACE(std::to_string(z.m) + " x " + std::to_string(z.n) + " x " + std::to_string(z.k));
      const Tensor a = random_tensor({z.m, z.k}, dtype, 1), b = random_tensor({z.k, z.n}, dtype, 2);
      const Tensor bias = random_tensor({z.n}, dtype, 3);
      EXPECT_TRUE(same_bits(multiply(a, b, {z.m, z.n}), by_definition(a, b)));
      EXPECT_TRUE(same_bits(multiply(a, b, {z.m, z.n}, bias), by_definition(a, b, bias)));
    }
  }
}

TEST_F(CudaMatmul, OwnKernelReadsEveryLayoutWithTheSameBits) {
  const MathGuard own({.own_kernels = true});
  const Tensor a = random_tensor({37, 21}, DType::f32, 4), b = random_tensor({21, 70}, DType::f32, 5);
  const Tensor expected = by_definition(a, b);
  for (const Tensor& u : {a, with_order(a, {1, 0}), with_order(a, {0, 1}, 3), with_order(a, {1, 0}, 2)}) {
    for (const Tensor& v : {b, with_order(b, {1, 0}), with_order(b, {1, 0}, 5)}) {
      EXPECT_TRUE(same_bits(multiply(u, v, {37, 70}), expected)) << u.describe() << v.describe();
    }
  }
}

TEST_F(CudaMatmul, OwnKernelDoesNotDependOnTheSchedule) {
  const MathGuard own({.own_kernels = true});
  const Tensor a = random_tensor({70, 40}, DType::f32, 6), b = random_tensor({40, 90}, DType::f32, 7);
  same_bits_in_every_schedule([&] { return values<float>(multiply(a, b, {70, 90})); });
}

TEST_F(CudaMatmul, AMatrixOfABatchGetsTheBitsThatItGetsAlone) {
  const MathGuard own({.own_kernels = true});
  // (2, 1, 33, 9) x (3, 9, 20) -> (2, 3, 33, 20)
  const Tensor a = random_tensor({2, 1, 33, 9}, DType::f32, 8), b = random_tensor({3, 9, 20}, DType::f32, 9);
  const Tensor y = multiply(a, b, {2, 3, 33, 20});
  for (std::int64_t i = 0; i < 2; ++i) {
    for (std::int64_t j = 0; j < 3; ++j) {
      const Tensor alone =
          by_definition(a.as_strided({33, 9}, {9, 1}, i * 33 * 9), b.as_strided({9, 20}, {20, 1}, j * 180));
      EXPECT_TRUE(same_bits(y.as_strided({33, 20}, {20, 1}, (i * 3 + j) * 33 * 20), alone)) << i << ' ' << j;
    }
  }
}

// ---- products of few rows

/// The definition: lane l of 32 adds the terms of every 32nd packet of four values from the l-th on, in one chain of
/// fused multiply-adds in the order of k; lanes are added in pairs of distance 16, 8, 4, 2, 1.
Tensor by_lanes(const Tensor& a, const Tensor& b, const Tensor& bias = {}) {
  const std::int64_t m = a.shape()[0], k = a.shape()[1], n = b.shape()[1];
  const std::vector<float> u = values<float>(a), v = values<float>(b);
  const Tensor y = Tensor::empty({m, n}, DType::f32);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      std::vector<float> lanes(32);
      for (std::int64_t d = 0; d < k; ++d) {
        float& sum = lanes[static_cast<std::size_t>(d / 4 % 32)];
        sum = std::fma(u[static_cast<std::size_t>(i * k + d)], v[static_cast<std::size_t>(d * n + j)], sum);
      }
      for (std::size_t distance = 16; distance > 0; distance /= 2) {
        for (std::size_t l = 0; l < distance; ++l) lanes[l] += lanes[l + distance];
      }
      y.data<float>()[i * n + j] = bias.defined() ? lanes[0] + bias.data<float>()[j] : lanes[0];
    }
  }
  return y;
}

/// (k, n) whose columns lie along k, as a linear layer's weight: `gap` values behind each column, `first` before all.
Tensor along_k(std::int64_t k, std::int64_t n, std::uint64_t key, std::int64_t gap = 0, std::int64_t first = 0) {
  const Tensor all = random_tensor({first + n * (k + gap)}, DType::f32, key);
  return all.as_strided({k, n}, {1, k + gap}, first);
}

TEST_F(CudaMatmul, OfFewRowsIsItsDefinitionBitByBit) {
  constexpr Size kFew[] = {{1, 1, 1}, {1, 5, 128}, {8, 4, 132}, {9, 10, 784}, {31, 33, 127}, {32, 6, 1000}, {17, 3, 2}};
  for (const Size z : kFew) {
    SCOPED_TRACE(std::to_string(z.m) + " x " + std::to_string(z.n) + " x " + std::to_string(z.k));
    const Tensor a = random_tensor({z.m, z.k}, DType::f32, 21), b = along_k(z.k, z.n, 22);
    const Tensor bias = random_tensor({z.n}, DType::f32, 23);
    ASSERT_TRUE(takes_few_rows(a, b));
    EXPECT_TRUE(same_bits(multiply(a, b, {z.m, z.n}), by_lanes(a, b)));
    EXPECT_TRUE(same_bits(multiply(a, b, {z.m, z.n}, bias), by_lanes(a, b, bias)));
  }
}

// Rows that are no whole packets, or that begin between two boundaries of 16 bytes, take other loads.
TEST_F(CudaMatmul, OfFewRowsHasTheSameBitsAtEveryAddressAndBesideOtherRows) {
  const Tensor a = random_tensor({32, 200}, DType::f32, 24), b = along_k(200, 7, 25);
  const Tensor y = multiply(a, b, {32, 7});
  for (const auto& [gap, first] : {std::pair(0, 1), std::pair(3, 0), std::pair(4, 4)}) {
    const Tensor other = along_k(200, 7, 26, gap, first);
    for (std::int64_t j = 0; j < 7; ++j) {
      for (std::int64_t d = 0; d < 200; ++d) other.data<float>()[j * (200 + gap) + d] = b.data<float>()[j * 200 + d];
    }
    const Tensor rows = on_device(a);
    const Tensor z = Tensor::empty({32, 7}, DType::f32, Device::cuda());
    const Tensor all = on_device(random_tensor({first + 7 * (200 + gap)}, DType::f32, 27));
    const Tensor columns = all.as_strided({200, 7}, {1, 200 + gap}, first);
    CopyOperations::cuda.copy(columns, on_device(other));
    MatmulOperations::cuda.matmul("matmul", rows, columns, {}, z);
    EXPECT_TRUE(same_bits(on_host(z), y)) << gap << ' ' << first;
  }
  for (const std::int64_t m : {1, 8, 13}) {
    EXPECT_TRUE(same_bits(multiply(a.as_strided({m, 200}, {200, 1}, 0), b, {m, 7}), y.as_strided({m, 7}, {7, 1}, 0)))
        << m;
  }
}

TEST_F(CudaMatmul, OfFewRowsDoesNotDependOnTheSchedule) {
  const Tensor a = random_tensor({20, 300}, DType::f32, 28), b = along_k(300, 9, 29);
  same_bits_in_every_schedule([&] { return values<float>(multiply(a, b, {20, 9})); });
}

TEST(FewRows, AreStrictSmallAndAlongK) {
  const auto takes = [](const Tensor& a, const Tensor& b) { return takes_few_rows(a, b); };
  const auto weight = [](std::int64_t k, std::int64_t n, DType dtype = DType::f32) {
    return Tensor::empty({n, k}, dtype).as_strided({k, n}, {1, k}, 0);
  };
  const auto rows = [](std::int64_t m, std::int64_t k, DType dtype = DType::f32) {
    return Tensor::empty({m, k}, dtype);
  };
  EXPECT_TRUE(takes(rows(32, 784), weight(784, 512)));
  EXPECT_TRUE(takes(rows(1, 4096), weight(4096, 4096)));  // 2^24 multiply-adds
  EXPECT_FALSE(takes(rows(2, 4096), weight(4096, 4096)));
  EXPECT_FALSE(takes(rows(33, 784), weight(784, 512)));
  EXPECT_TRUE(takes(rows(1, 4096), weight(4096, 1)));
  EXPECT_FALSE(takes(rows(1, 4097), weight(4097, 1))) << "one warp would add all terms";
  EXPECT_FALSE(takes(rows(32, 784, DType::f64), weight(784, 512, DType::f64)));
  EXPECT_FALSE(takes(rows(32, 0), weight(0, 512)));
  EXPECT_FALSE(takes(rows(32, 784), rows(784, 512)));      // b lies along n
  EXPECT_FALSE(takes(weight(32, 784), weight(784, 512)));  // a lies along m
  EXPECT_FALSE(takes(Tensor::empty({2, 4, 8}, DType::f32), weight(8, 8)));
  const PrecisionScope rounded(Precision::tf32);
  EXPECT_FALSE(takes(rows(32, 784), weight(784, 512)));
}

TEST_F(CudaMatmul, SumsOfNothingAreTheBias) {
  const Tensor bias = random_tensor({5}, DType::f32, 10);
  const Tensor a = Tensor::empty({3, 0}, DType::f32), b = Tensor::empty({0, 5}, DType::f32);
  const Tensor with = multiply(a, b, {3, 5}, bias), without = multiply(a, b, {3, 5});
  for (std::int64_t i = 0; i < 15; ++i) {
    EXPECT_EQ(with.data<float>()[i], bias.data<float>()[i % 5]);
    EXPECT_EQ(without.data<float>()[i], 0.0F);
  }
}

// The product that the device uses by default, against our own product in doubles.
TEST_F(CudaMatmul, TheDefaultAgreesWithSumsInDouble) {
  for (const Size z : {Size{33, 65, 129}, Size{128, 64, 257}, Size{1, 100, 31}}) {
    for (const bool transposed : {false, true}) {
      const Tensor a = random_tensor({z.m, z.k}, DType::f64, 11), b = random_tensor({z.k, z.n}, DType::f64, 12);
      const Tensor bias = random_tensor({z.n}, DType::f64, 13);
      const auto narrow = [](const Tensor& x) {
        const Tensor y = Tensor::empty(x.shape(), DType::f32);
        for (std::int64_t i = 0; i < x.numel(); ++i) y.data<float>()[i] = static_cast<float>(x.data<double>()[i]);
        return y;
      };
      const auto laid_out = [&](const Tensor& x) { return transposed ? with_order(x, {1, 0}) : x; };
      const std::vector<double> expected = values<double>(by_definition(a, b, bias));
      const Tensor f64 = multiply(laid_out(a), laid_out(b), {z.m, z.n}, bias);
      const Tensor f32 = multiply(laid_out(narrow(a)), laid_out(narrow(b)), {z.m, z.n}, narrow(bias));
      EXPECT_TRUE(hop::testing::close(f64, expected, 1e-13, 1e-13));
      EXPECT_TRUE(hop::testing::close(f32, expected, 1e-5, 1e-5));
    }
  }
}

/// Matrices in a storage, as make_factor() takes them.
struct Lie {
  const char* name;
  Shape shape;
  Strides strides;
  bool stays;  // where it starts on 16 bytes
  bool transposed;
  std::int64_t ld;
};
const Lie kLies[] = {
    {"dense", {5, 7}, {7, 1}, true, false, 7},
    {"transposed", {5, 7}, {1, 5}, true, true, 5},
    {"with a gap between rows", {5, 7}, {9, 1}, true, false, 9},
    {"with a gap between columns", {5, 7}, {1, 8}, true, true, 8},
    {"one row", {1, 7}, {3, 1}, true, false, 7},
    {"one column", {5, 1}, {4, 1}, true, false, 4},
    {"one column of rows far apart", {5, 1}, {40, 1}, false, false, 1},
    {"rows far apart", {5, 7}, {100, 1}, false, false, 7},
    {"every second column", {5, 7}, {14, 2}, false, false, 7},
    {"one row for all", {5, 7}, {0, 1}, false, false, 7},
    {"overlapping rows", {5, 7}, {1, 1}, false, false, 7},
    {"a batch", {2, 5, 7}, {35, 7, 1}, true, false, 7},
    {"a batch that repeats", {3, 5, 7}, {0, 7, 1}, true, false, 7},
    {"the heads of one third of a packed tensor", {2, 3, 5, 4}, {180, 4, 36, 1}, true, false, 36},
    {"the same, transposed", {2, 3, 4, 5}, {180, 4, 1, 36}, true, true, 36},
};

TEST_F(CudaMatmul, HowAFactorLiesDoesNotDependOnItsAddress) {
  const Tensor storage = on_device(random_tensor({1000}, DType::f32, 18));
  for (const Lie& lie : kLies) {
    for (const std::int64_t offset : {0, 1, 4, 7}) {
      SCOPED_TRACE(lie.name + std::string(" at ") + std::to_string(offset));
      const Tensor x = storage.as_strided(lie.shape, lie.strides, offset);
      const Factor factor = make_factor(x);
      EXPECT_EQ(factor.transposed, lie.transposed);
      EXPECT_EQ(factor.ld, lie.ld);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(factor.tensor.raw_data()) % blas::kAlignment, 0U);
      EXPECT_EQ(factor.tensor.raw_data() == x.raw_data(), lie.stays && offset % 4 == 0);
      if (lie.stays) {
        EXPECT_EQ(factor.tensor.strides(), lie.strides);
      }
      EXPECT_TRUE(same_bits(on_host(factor.tensor), on_host(x)));
    }
  }
}

TEST_F(CudaMatmul, ThePublicOperationRunsOnTheDevice) {
  const Tensor x = random_tensor({4, 3, 6}, DType::f32, 14), weight = random_tensor({5, 6}, DType::f32, 15);
  const Tensor bias = random_tensor({5}, DType::f32, 16);
  const Tensor y = kernels::linear(on_device(x), on_device(weight), on_device(bias));
  EXPECT_EQ(y.device(), Device::cuda());
  EXPECT_TRUE(hop::testing::close(on_host(y), values<double>(kernels::linear(x, weight, bias)), 1e-5, 1e-6));
  const Tensor v = random_tensor({6}, DType::f32, 17);
  EXPECT_TRUE(hop::testing::close(on_host(kernels::matmul(on_device(x), on_device(v))),
                                  values<double>(kernels::matmul(x, v)), 1e-5, 1e-6));
}

// ---- bf16 and f16, with a stand-in for cuBLASLt

/// The product that was asked for, and the factors that were read: a by rows, b by columns.
struct Asked {
  blas::Product product;
  std::vector<std::uint16_t> a, b;
};
Asked ask_in(Precision precision, const Tensor& a, const Tensor& b_transposed) {
  const PrecisionScope scope(precision);
  Asked asked;
  const auto stand_in = [&](const blas::Product& p, const blas::Operands& x) {
    asked.product = p;
    if (p.rounded_factors) {
      asked.a = hop::testing::fetch_bf16(x.a, p.m * p.k);
      asked.b = hop::testing::fetch_bf16(x.b, p.k * p.n);
    }
    return true;
  };
  const Tensor b = on_device(b_transposed), y = Tensor::empty({a.size(0), b.size(0)}, DType::f32, Device::cuda());
  const Tensor turned = b.as_strided({b.size(1), b.size(0)}, {1, b.size(1)}, 0);
  EXPECT_TRUE(multiply_with(stand_in, on_device(a), turned, {}, y));
  return asked;
}
std::vector<std::uint16_t> all_rounded(Precision precision, const Tensor& x) {
  std::vector<std::uint16_t> bits;
  for (const float value : values<float>(x))
    bits.push_back(precision == Precision::f16 ? hop::testing::to_f16(value) : hop::testing::to_bf16(value));
  return bits;
}

TEST_F(CudaMatmul, FactorsOfALargeProductAreRoundedBeforeIt) {
  const Tensor a = random_tensor({2100, 512}, DType::f32, 14), b = random_tensor({2090, 512}, DType::f32, 15);
  for (const Precision precision : {Precision::bf16, Precision::f16}) {
    const Asked asked = ask_in(precision, a, b);
    EXPECT_EQ(asked.product.precision, precision);
    EXPECT_TRUE(asked.product.rounded_factors);
    EXPECT_TRUE(asked.product.b_transposed);
    EXPECT_FALSE(asked.product.a_transposed);
    EXPECT_EQ(asked.product.alignment, 16);
    EXPECT_EQ(asked.a, all_rounded(precision, a));
    EXPECT_EQ(asked.b, all_rounded(precision, b));
  }
}

TEST_F(CudaMatmul, OnlyLargeProductsAreWorthTheRounding) {
  EXPECT_FALSE(ask_in(Precision::bf16, random_tensor({64, 96}, DType::f32, 16), random_tensor({32, 96}, DType::f32, 17))
                   .product.rounded_factors);
  EXPECT_FALSE(pays_to_round(std::int64_t{1024} * 1024 * 1024, 2 * 1024 * 1024));
  EXPECT_TRUE(pays_to_round(std::int64_t{4096} * 4096 * 4096, 2 * 4096 * 4096));
  EXPECT_FALSE(pays_to_round(std::int64_t{4096} * 4096, 4096 * 4097));  // a vector: each value is used once
}

}  // namespace
}  // namespace hop::kernels::cuda
