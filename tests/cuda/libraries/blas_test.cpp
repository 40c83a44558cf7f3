// cuBLASLt. What needs no device: sizes, and the error that a machine without a driver gives. What needs one: products
// of random matrices with every epilogue against sums in double.
#include "kernels/cuda/blas.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda::blas {
namespace {

using testing::HasSubstr;

Product product(std::int64_t m, std::int64_t n, std::int64_t k, Epilogue epilogue) {
  Product p;
  p.m = m, p.n = n, p.k = k, p.epilogue = epilogue;
  return p;
}

TEST(Blas, AuxHoldsABitPerElementInRowsOf128OrAMatrix) {
  EXPECT_EQ(aux_bytes(product(5, 1, 9, Epilogue::relu_bias_aux)), 5U * 16);
  EXPECT_EQ(aux_bytes(product(5, 129, 9, Epilogue::relu_grad_bias_grad)), 5U * 32);
  EXPECT_EQ(aux_bytes(product(5, 129, 9, Epilogue::gelu_bias_aux)), 5U * 129 * 4);
  EXPECT_EQ(aux_bytes(product(5, 129, 9, Epilogue::relu_bias)), 0U);
}

TEST(Blas, WithoutADeviceTheErrorSaysWhich) {
  if (available() && device_count() > 0) GTEST_SKIP() << "cuBLASLt and a device are here";
  if (!available()) {
    EXPECT_FALSE(why_not_available().empty());
    EXPECT_THROW(multiply(product(2, 2, 2, Epilogue::none), {}), DeviceError);
    return;
  }
  try {
    multiply(product(2, 2, 2, Epilogue::none), {});
    FAIL() << "nothing was thrown";
  } catch (const CudaError& e) {
    EXPECT_FALSE(e.call.empty());
    EXPECT_NE(e.code, 0);
    EXPECT_THAT(e.what(), HasSubstr("[" + e.call + "] expected success, got " + e.name));
  }
}

}  // namespace
}  // namespace hop::kernels::cuda::blas
