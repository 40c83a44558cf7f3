// AutocastGuard: which operations round, whose mode a gradient has, and that a captured step keeps it. Values of
// PyTorch's autocast are in tests/nn/golden_precision_test.cpp.
#include "autograd/autocast.h"

#include "autograd/checkpoint.h"
#include "kernels/capture.h"
#include "kernels/precision.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

using kernels::Precision;

/// f32 values that are no bf16.
Tensor odd(const Shape& shape, std::uint64_t seed) { return to(random_tensor(shape, seed), DType::f32); }

Tensor rounded(const Tensor& x) { return to(to(x, DType::bf16), DType::f32); }

TEST(Autocast, IsTheModeOfTheThreadInItsScope) {
  EXPECT_EQ(kernels::precision(), Precision::strict);
  {
    const AutocastGuard outer;
    EXPECT_EQ(kernels::precision(), Precision::bf16);
    {
      const AutocastGuard island({.enabled = false});
      EXPECT_EQ(kernels::precision(), Precision::strict);
    }
    EXPECT_EQ(kernels::precision(), Precision::bf16);
  }
  EXPECT_EQ(kernels::precision(), Precision::strict);
  {
    const kernels::PrecisionScope run(Precision::tf32);
    const AutocastGuard off({.enabled = false});
    EXPECT_EQ(kernels::precision(), Precision::tf32) << "a guard that is off changes nothing";
  }
  EXPECT_EQ(kernels::precision(), Precision::strict);
  {
    const AutocastGuard f16({.dtype = DType::f16});
    EXPECT_EQ(kernels::precision(), Precision::f16);
    const AutocastGuard island({.dtype = DType::f16, .enabled = false});
    EXPECT_EQ(kernels::precision(), Precision::strict);
  }
  for (const DType dtype : {DType::f64, DType::f32, DType::i64})
    EXPECT_TRUE(throws<DtypeError>([&] { AutocastGuard({.dtype = dtype}); }, "[autocast] expected bf16 or f16, got "));
}

TEST(Autocast, RoundsTheFactorsOfProductsAndNothingElse) {
  const Tensor a = odd({32, 48}, 1), b = odd({48, 64}, 2);
  const Tensor strict = matmul(a, b), of_rounded = matmul(rounded(a), rounded(b));
  Tensor y, probabilities, total;
  {
    const AutocastGuard autocast;
    y = matmul(a, b);
    probabilities = softmax(a);
    total = sum(a);
  }
  EXPECT_EQ(y.dtype(), DType::f32);
  EXPECT_TRUE(same_bits(probabilities, softmax(a)));
  EXPECT_TRUE(same_bits(total, sum(a)));
  if (!kernels::has_bf16()) {
    EXPECT_TRUE(same_bits(y, strict));
    return;
  }
  EXPECT_LT(distance(y, of_rounded), 1e-5);
  EXPECT_GT(distance(y, strict), 1e-4);
}

TEST(Autocast, InF16IsStrictOnTheCpu) {
  const Tensor a = odd({32, 48}, 1), b = odd({48, 64}, 2), strict = matmul(a, b);
  const Tensor image = odd({2, 8, 9, 9}, 3), filters = odd({8, 8, 3, 3}, 4), strict_image = conv2d(image, filters);
  const Tensor large = full({32, 48}, 1e6), strict_large = matmul(large, b);
  const AutocastGuard autocast({.dtype = DType::f16});
  EXPECT_TRUE(same_bits(matmul(a, b), strict));
  EXPECT_TRUE(same_bits(conv2d(image, filters), strict_image));
  EXPECT_TRUE(same_bits(matmul(large, b), strict_large)) << "nothing overflows";
}

/// The gradient of `a` for sum((a b)^2), with the forward and the backward pass in these modes.
Tensor gradient(bool forward, bool backwards, bool again = false) {
  const Tensor a = odd({32, 48}, 1).set_requires_grad(), b = odd({48, 64}, 2);
  const auto product = [&](const Tensor& x) { return matmul(x, b); };
  Tensor loss;
  {
    const AutocastGuard autocast({.enabled = forward});
    loss = sum(square(again ? checkpoint(product, a) : product(a)));
  }
  const AutocastGuard autocast({.enabled = backwards});
  backward(loss);
  return a.grad();
}

TEST(Autocast, ComputesGradientsAsTheirOperationsWere) {
  EXPECT_TRUE(same_bits(gradient(true, false), gradient(true, true)));
  EXPECT_TRUE(same_bits(gradient(false, true), gradient(false, false)));
  EXPECT_TRUE(same_bits(gradient(true, false, true), gradient(true, true)));
  const Tensor exact = gradient(false, false);
  EXPECT_LT(norm(gradient(true, true) - exact).item<double>(), 0.02 * norm(exact).item<double>());
  if (kernels::has_bf16()) {
    EXPECT_FALSE(same_bits(gradient(true, true), gradient(false, false)));
  }
}

TEST(Autocast, IsKeptByACapturedStep) {
  const Tensor b = odd({48, 64}, 2);
  const auto work = [&](const Tensor& x) {
    const AutocastGuard autocast;
    return matmul(x, b);
  };
  CapturedFunction step([&](std::span<const Tensor> in) { return std::vector{work(in[0]), matmul(in[0], b)}; });
  for (std::uint64_t seed = 3; seed < 7; ++seed) {
    const Tensor x = odd({32, 48}, seed);
    const std::vector<Tensor> got = step({x});
    EXPECT_TRUE(same_bits(got[0], work(x))) << seed;
    EXPECT_TRUE(same_bits(got[1], matmul(x, b))) << seed;
  }
}

TEST(Autocast, LeavesF64AsItIs) {
  const Tensor a = random_tensor({32, 48}, 1), b = random_tensor({48, 64}, 2), strict = matmul(a, b);
  const AutocastGuard autocast;
  EXPECT_TRUE(same_bits(matmul(a, b), strict));
}

}  // namespace
}  // namespace hop::autograd
