// The gradient of attention and the gradient's gradient, in every layout (op_case.h). PyTorch judges the layers
// (tests/nn/golden_modules_test.cpp).
#include "autograd/attention.h"

#include "base/error.h"
#include "kernels/precision.h"
#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

using Xs = const std::vector<Tensor>&;

constexpr AttentionDropout kDropout{0.3, {.key = 5, .step = 2, .draw = 1}};

class AttentionGradient : public ::testing::TestWithParam<OpCase> {};
TEST_P(AttentionGradient, IsThatOfCentralDifferencesTwice) { judge(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    All, AttentionGradient,
    ::testing::Values(OpCase{"heads",
                             {{{2, 2, 3, 2}}, {{2, 2, 3, 2}}, {{2, 2, 3, 2}}},
                             [](Xs x) { return attention(x[0], x[1], x[2], 0.7); }},
                      OpCase{"causal",
                             {{{1, 2, 4, 3}}, {{1, 2, 4, 3}}, {{1, 2, 4, 2}}},
                             [](Xs x) { return attention(x[0], x[1], x[2], 0.5, true); }},
                      OpCase{"more_keys",
                             {{{1, 1, 2, 3}}, {{1, 1, 5, 3}}, {{1, 1, 5, 1}}},
                             [](Xs x) { return attention(x[0], x[1], x[2], 1, true); }},
                      OpCase{"dropout",
                             {{{2, 2, 3, 2}}, {{2, 2, 5, 2}}, {{2, 2, 5, 2}}},
                             [](Xs x) { return attention(x[0], x[1], x[2], 0.7, false, kDropout); }},
                      OpCase{"causal_dropout",
                             {{{1, 2, 4, 3}}, {{1, 2, 4, 3}}, {{1, 2, 4, 2}}},
                             [](Xs x) { return attention(x[0], x[1], x[2], 0.5, true, kDropout); }}),
    [](const auto& test) { return test.param.name; });

TEST(Attention, IsTheFormulaInBf16) {
  const Tensor q = random_tensor({1, 2, 20, 16}, 1), k = random_tensor({1, 2, 20, 16}, 2),
               v = random_tensor({1, 2, 20, 16}, 3);
  const auto run = [&] {
    const Tensor y =
        attention(kernels::cast(q, DType::f32), kernels::cast(k, DType::f32), kernels::cast(v, DType::f32), 0.25, true);
    return kernels::cast(y, DType::f64);
  };
  const Tensor strict = run();
  const kernels::PrecisionScope scope(kernels::Precision::bf16);
  EXPECT_LT(distance(run(), strict), 0.05);
}

// The composed form keeps its weights and drops them by the operation dropout().
TEST(Attention, WithDropoutIsTheComposedForm) {
  const auto weights = [](Xs x, double scale) {
    const Tensor scores = matmul(x[0] * scale, transpose(x[1], -2, -1));
    return dropout(softmax(scores, -1), kDropout.p, kDropout.address);
  };
  const auto gradients = [](Xs x, const Tensor& y) { return grad({sum(y * y)}, x); };
  for (const DType dtype : {DType::f64, DType::f32}) {
    std::vector<Tensor> x;
    for (const std::int64_t rows : {70, 37, 37})
      x.push_back(kernels::cast(random_tensor({2, 3, rows, 10}, x.size() + 1), dtype).set_requires_grad());
    const Tensor fused = attention(x[0], x[1], x[2], 0.4, false, kDropout), composed = matmul(weights(x, 0.4), x[2]);
    const double bound = dtype == DType::f64 ? 1e-12 : 2e-5;
    EXPECT_LT(distance(fused, composed), bound);
    const std::vector<Tensor> a = gradients(x, fused), b = gradients(x, composed);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_LT(distance(a[i], b[i]), bound) << i;
  }
}

TEST(Attention, ThrowsForUndefinedTensors) {
  const Tensor x = random_tensor({1, 1, 2, 2}, 1);
  EXPECT_THROW(attention({}, x, x, 1), Error);
  EXPECT_THROW(attention(x, {}, x, 1), Error);
  EXPECT_THROW(attention(x, x, {}, 1), Error);
}

}  // namespace
}  // namespace hop::autograd
