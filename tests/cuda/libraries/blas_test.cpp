// cuBLASLt. What needs no device: sizes, and the error that a machine without a driver gives. What needs one: products
// of random matrices with every epilogue against sums in double.
#include "kernels/cuda/blas.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/cuda/relu_mask.h"
#include "kernels/elementwise.h"
#include "kernels/matmul.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda::blas {
namespace {

using hop::testing::near;
using hop::testing::random_tensor;
using hop::testing::same_bits;
using ::testing::HasSubstr;

Product product(std::int64_t m, std::int64_t n, std::int64_t k, Epilogue epilogue) {
  Product p;
  p.m = m, p.n = n, p.k = k, p.epilogue = epilogue;
  return p;
}

TEST(Blas, AuxHoldsABitPerElementInRowsOf128) {
  EXPECT_EQ(aux_bytes(product(5, 1, 9, Epilogue::relu_grad)), 5U * 16);
  EXPECT_EQ(aux_bytes(product(5, 129, 9, Epilogue::relu_grad)), 5U * 32);
  EXPECT_EQ(aux_bytes(product(5, 129, 9, Epilogue::bias_grad)), 0U);
}

TEST(Blas, WithoutADeviceTheErrorSaysWhich) {
  if (available() && device_count() > 0) GTEST_SKIP() << "cuBLASLt and a device are here";
  if (!available()) {
    EXPECT_FALSE(why_not_available().empty());
    EXPECT_THROW(static_cast<void>(multiply(product(2, 2, 2, Epilogue::none), {})), DeviceError);
    return;
  }
  try {
    static_cast<void>(multiply(product(2, 2, 2, Epilogue::none), {}));
    FAIL() << "nothing was thrown";
  } catch (const CudaError& e) {
    EXPECT_FALSE(e.call.empty());
    EXPECT_NE(e.code, 0);
    EXPECT_THAT(e.what(), HasSubstr("[" + e.call + "] expected success, got " + e.name));
  }
}

// ---- On a device

/// Products of the same two matrices, and what they should be in double.
class BlasOnDevice : public OnDevice {
 protected:
  static constexpr std::int64_t kM = 40, kN = 48, kK = 64;
  static constexpr double kTolerance = 1e-5;

  void SetUp() override {
    OnDevice::SetUp();
    if (!IsSkipped() && !available()) GTEST_SKIP() << "no cuBLASLt: " << why_not_available();
  }

  /// d, or NaN everywhere where there is no algorithm; bias and aux, on the device or undefined, are read or written.
  Tensor multiplied(Epilogue epilogue, const Tensor& bias = {}, const Tensor& aux = {}) const {
    // The gradient of a bias is summed of a factor that lies transposed.
    const bool transposed = epilogue == Epilogue::bias_grad;
    const Tensor a = on_device(transposed ? turned(a_) : a_), b = on_device(b_);
    const Tensor d = Tensor::empty({kM, kN}, DType::f32, Device::cuda());
    const auto address = [](const Tensor& x) { return x.defined() ? x.raw_data() : nullptr; };
    Product p = product(kM, kN, kK, epilogue);
    p.a_transposed = transposed;
    if (!multiply(p, {address(a), address(b), address(d), address(bias), address(aux)}))
      return full({kM, kN}, std::nan(""));
    return on_host(d);
  }
  /// x (rows, columns) as (columns, rows).
  static Tensor turned(const Tensor& x) {
    const std::int64_t rows = x.shape()[0], columns = x.shape()[1];
    const Tensor y = Tensor::empty({columns, rows}, DType::f32);
    for (std::int64_t i = 0; i < rows * columns; ++i)
      y.data<float>()[i % columns * rows + i / columns] = x.data<float>()[i];
    return y;
  }
  /// f(product at (i, j), bias at j), every element.
  template <class F>
  Tensor expected(const F& f) const {
    const Tensor d = Tensor::empty({kM, kN}, DType::f32);
    for (std::int64_t i = 0; i < kM; ++i) {
      for (std::int64_t j = 0; j < kN; ++j) {
        double sum = 0;
        for (std::int64_t l = 0; l < kK; ++l)
          sum += static_cast<double>(a_.data<float>()[i * kK + l]) * static_cast<double>(b_.data<float>()[l * kN + j]);
        d.data<float>()[i * kN + j] = static_cast<float>(f(sum, static_cast<double>(bias_.data<float>()[j])));
      }
    }
    return d;
  }
  /// The sums over the rows of x (rows, columns).
  static Tensor sum_of_rows(const Tensor& x) {
    const std::int64_t rows = x.shape()[0], columns = x.shape()[1];
    const Tensor sums = Tensor::empty({columns}, DType::f32);
    for (std::int64_t j = 0; j < columns; ++j) {
      double sum = 0;
      for (std::int64_t i = 0; i < rows; ++i) sum += static_cast<double>(x.data<float>()[i * columns + j]);
      sums.data<float>()[j] = static_cast<float>(sum);
    }
    return sums;
  }
  static Tensor aux_for(Epilogue epilogue) {
    const auto bytes = static_cast<std::int64_t>(aux_bytes(product(kM, kN, kK, epilogue)));
    return Tensor::empty({bytes}, DType::u8, Device::cuda());
  }

  const Tensor a_ = random_tensor({kM, kK}, DType::f32, 1), b_ = random_tensor({kK, kN}, DType::f32, 2),
               bias_ = random_tensor({kN}, DType::f32, 3);
};

TEST_F(BlasOnDevice, AddsTheBias) {
  EXPECT_TRUE(near(multiplied(Epilogue::none), expected([](double x, double) { return x; }), kTolerance));
  EXPECT_TRUE(near(multiplied(Epilogue::bias, on_device(bias_)), expected([](double x, double b) { return x + b; }),
                   kTolerance));
}

TEST_F(BlasOnDevice, OurMaskOfReluIsWhatItsGradientTakes) {
  const Tensor y = on_device(random_tensor({kM, kN}, DType::f32, 5)), aux = aux_for(Epilogue::relu_grad);
  const Tensor before = on_host(y);
  relu_with_mask(y, aux);
  EXPECT_TRUE(same_bits(on_host(y), kernels::relu(before)));
  const Tensor dx = multiplied(Epilogue::relu_grad, {}, aux);
  const Tensor wanted = expected([](double x, double) { return x; });
  for (std::int64_t i = 0; i < kM * kN; ++i)
    if (before.data<float>()[i] <= 0) wanted.data<float>()[i] = 0;
  EXPECT_TRUE(near(dx, wanted, kTolerance));
}

TEST_F(BlasOnDevice, TheGradientOfABiasIsTheSumOfTheFirstFactorsRows) {
  const Tensor sums = on_device(Tensor::empty({kM}, DType::f32));
  EXPECT_TRUE(near(multiplied(Epilogue::bias_grad, sums), expected([](double x, double) { return x; }), kTolerance));
  EXPECT_TRUE(near(on_host(sums), sum_of_rows(turned(a_)), kTolerance));
}

TEST_F(BlasOnDevice, ShortensFactorsAsThisThreadsPrecisionSays) {
  const Tensor a = on_device(random_tensor({256, 256}, DType::f32, 4)), b = on_device(random_tensor({256, 256}));
  const Tensor strict = on_host(matmul(a, b));
  for (const auto& [precision, error] :
       {std::pair{Precision::tf32, 1e-2}, std::pair{Precision::bf16, 1e-1}, std::pair{Precision::f16, 1e-2}}) {
    const PrecisionScope guard(precision);
    const Tensor shortened = on_host(matmul(a, b));
    EXPECT_TRUE(near(shortened, strict, error)) << name(precision);
    EXPECT_FALSE(same_bits(shortened, strict)) << name(precision);
  }
  EXPECT_TRUE(same_bits(on_host(matmul(a, b)), strict));
}

}  // namespace
}  // namespace hop::kernels::cuda::blas
