// Layers that are more than one call of an operation: the gradients of inputs and of all parameters, and the gradients'
// gradients, against central differences in f64. (recurrent_test.cpp and attention_test.cpp have theirs.)
#include "autograd/gradcheck.h"
#include "nn/functional.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using Tensors = std::vector<Tensor>;
constexpr DType kF64 = DType::f64;

/// Values in +-[0.2, 1.2], away from the kinks at 0.
Tensor leaf(const Shape& shape, std::uint64_t key) {
  const Tensor x = Tensor::empty(shape, kF64);
  init::uniform_(x, {.key = key}, -1, 1);
  return (x + 0.2 * sign(x)).detach().set_requires_grad();
}

/// call(module, inputs) of random inputs and parameters.
template <class M, class Call>
void check(M module, Tensors inputs, const Call& call) {
  SCOPED_TRACE(module.type_name());
  std::uint64_t key = 10;
  for (const Tensor& p : module.parameters()) {
    init::uniform_(p, {.key = ++key}, -1, 1);
    inputs.push_back(p);
  }
  const auto forward = [&](const Tensors& x) { return Tensors{call(module, x)}; };
  const auto once = hop::testing::gradcheck(forward, inputs);
  EXPECT_TRUE(once) << once.message;
  const auto twice = hop::testing::gradgradcheck(forward, inputs);
  EXPECT_TRUE(twice) << twice.message;
}
template <class M>
void check(const M& module, const Shape& shape) {
  check(module, {leaf(shape, 1)}, [](M& m, const Tensors& x) { return m(x[0]); });
}

TEST(LayerGradients, OfNormsAgreeWithTheSlope) {
  check(RMSNorm({3}, {.dtype = kF64}), {2, 3});
  check(RMSNorm({2, 3}, {.eps = 0.1, .dtype = kF64}), {2, 2, 3});
  check(InstanceNorm1d(2, {.affine = true, .dtype = kF64}), {2, 2, 3});
  check(InstanceNorm2d(2, {.eps = 0.1, .dtype = kF64}), {1, 2, 2, 3});
  check(InstanceNorm3d(2, {.affine = true, .dtype = kF64}), {1, 2, 2, 1, 2});
  check(GroupNorm(2, 4, {.dtype = kF64}), {2, 4, 2});
  check(LocalResponseNorm(3, {.alpha = 0.3}), {2, 4, 2});
  check(LocalResponseNorm(2, {.alpha = 0.5, .beta = 0.5, .k = 2}), {1, 3, 1, 2});
}

TEST(LayerGradients, OfLinearOnesAgreeWithTheSlope) {
  check(Bilinear(2, 3, 2, {.dtype = kF64}), {leaf({2, 2}, 1), leaf({2, 3}, 2)},
        [](Bilinear& m, const Tensors& x) { return m(x[0], x[1]); });
  const Tensor indices = Tensor::from<std::int64_t>({0, 2, 2, 1, 3, 0}, {2, 3});
  for (const EmbeddingBagMode mode : {EmbeddingBagMode::mean, EmbeddingBagMode::sum}) {
    check(EmbeddingBag(4, 2, {.mode = mode, .dtype = kF64}), {},
          [&](EmbeddingBag& m, const Tensors&) { return square(m(indices)); });
  }
}

TEST(LayerGradients, OfShufflesAgreeWithTheSlope) {
  const auto squared = [](auto& m, const Tensors& x) { return square(m(x[0])); };
  check(PixelShuffle(2), {leaf({1, 4, 2, 1}, 1)}, squared);
  check(PixelUnshuffle(2), {leaf({1, 1, 2, 4}, 1)}, squared);
  check(ChannelShuffle(2), {leaf({2, 4, 2}, 1)}, squared);
}

TEST(LayerGradients, OfActivationsAgreeWithTheSlope) {
  check(CELU(), {2, 3});
  check(CELU(0.7), {2, 3});
  check(Softmax2d(), {1, 3, 2, 1});
  check(Softmin(1), {2, 3});
}

TEST(LayerGradients, OfRotaryEmbeddingsAgreeWithTheSlope) {
  const auto rotated = [](const RotaryOptions& options) {
    return [options](Identity&, const Tensors& x) { return square(functional::rotary_embedding(x[0], options)); };
  };
  check(Identity(), {leaf({2, 3, 4}, 1)}, rotated({}));
  check(Identity(), {leaf({3, 4}, 1)}, rotated({.base = 100, .first = 2, .interleaved = false}));
}

// GELU instead of ReLU: differences across a kink are no slope.
TEST(LayerGradients, OfTransformerLayersAgreeWithTheSlope) {
  for (const bool norm_first : {false, true}) {
    const TransformerEncoderLayerOptions options{.dim_feedforward = 3,
                                                 .dropout = 0,
                                                 .activation = TransformerActivation::gelu,
                                                 .norm_first = norm_first,
                                                 .dtype = kF64};
    check(TransformerEncoderLayer(4, 2, options), {2, 1, 4});
    check(TransformerDecoderLayer(4, 2, options), {leaf({2, 1, 4}, 1), leaf({3, 1, 4}, 2)},
          [](TransformerDecoderLayer& m, const Tensors& x) { return m(x[0], x[1], {.target = {.is_causal = true}}); });
  }
}

}  // namespace
}  // namespace hop::nn
