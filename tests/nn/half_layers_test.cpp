// Layers on tensors of bf16 and f16: the values of the same layer in f32, rounded once; dtypes of running statistics
// and of gradients. Values of PyTorch are in golden_precision_test.cpp.
#include <functional>
#include <memory>

#include "autograd/graph.h"
#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

constexpr DType kHalves[] = {DType::bf16, DType::f16};

/// f32 values that have `dtype`'s digits.
Tensor rounded_random(const Shape& shape, DType dtype, std::uint64_t key) {
  return to(to(randn(shape, {.key = key}), dtype), DType::f32);
}

/// Parameters with values that have `dtype`'s digits.
void round_parameters(Module& module, DType dtype) {
  const NoGradGuard no_grad;
  for (const NamedTensor& p : module.named_parameters())
    copy_(p.tensor, rounded_random(p.tensor.shape(), dtype, 7 + static_cast<std::uint64_t>(p.tensor.numel())));
}

struct Case {
  std::string name;
  Shape shape;
  std::function<std::shared_ptr<Module>()> make;
};

template <class Layer, class... Arguments>
std::function<std::shared_ptr<Module>()> maker(Arguments... arguments) {
  return [=] { return std::make_shared<Layer>(arguments...); };
}

std::vector<Case> cases() {
  return {{"LayerNorm", {3, 5}, maker<LayerNorm>(Shape{5})},
          {"RMSNorm", {3, 5}, maker<RMSNorm>(Shape{5})},
          {"GroupNorm", {2, 4, 3}, maker<GroupNorm>(2, 4)},
          {"InstanceNorm2d", {2, 3, 3, 5}, maker<InstanceNorm2d>(3, InstanceNormOptions{.affine = true})},
          {"BatchNorm1d", {5, 3}, maker<BatchNorm1d>(3)},
          {"BatchNorm2d", {2, 3, 3, 5}, maker<BatchNorm2d>(3)},
          {"LocalResponseNorm", {2, 5, 3}, maker<LocalResponseNorm>(3)},
          {"CELU", {3, 5}, maker<CELU>(1.5)},
          {"PReLU", {3, 5}, maker<PReLU>(5)},
          {"RReLU", {3, 5}, maker<RReLU>()},
          {"AlphaDropout", {3, 5}, maker<AlphaDropout>(0.3)},
          {"FeatureAlphaDropout", {3, 5, 2}, maker<FeatureAlphaDropout>(0.3)},
          {"Dropout2d", {2, 5, 3, 3}, maker<Dropout2d>(0.3)}};
}

/// y and the gradients of x and of the parameters, for slopes of y that have 16 bits.
std::vector<Tensor> results(Module& layer, const Tensor& x, const Tensor& slopes) {
  layer.set_random_key(5);
  const Tensor leaf = kernels::clone(x).set_requires_grad();
  const Tensor y = layer(leaf);
  std::vector<Tensor> leaves = {leaf};
  for (const NamedTensor& p : layer.named_parameters()) leaves.push_back(p.tensor);
  std::vector<Tensor> all = grad({y}, leaves, {.grad_outputs = {to(slopes, y.dtype())}});
  all.insert(all.begin(), y.detach());
  return all;
}

TEST(HalfLayer, HasTheValuesAndGradientsOfF32RoundedOnce) {
  for (const Case& c : cases()) {
    for (const DType dtype : kHalves) {
      SCOPED_TRACE(c.name + " " + std::string(name(dtype)));
      const std::shared_ptr<Module> wide = c.make(), half = c.make();
      for (Module* layer : {wide.get(), half.get()}) round_parameters(*layer, dtype);
      half->to(dtype);
      const Tensor x = rounded_random(c.shape, dtype, 1), slopes = rounded_random(c.shape, dtype, 2);
      const std::vector<Tensor> right = results(*wide, x, slopes), got = results(*half, to(x, dtype), slopes);
      ASSERT_EQ(got.size(), right.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].dtype(), dtype) << i;
        EXPECT_EQ(values(got[i]), values(to(right[i], dtype))) << i;
      }
    }
  }
}

TEST(HalfLayer, KeepsWeightsAndRunningStatisticsOfF32BesideInputsOf16Bits) {
  for (const DType dtype : kHalves) {
    BatchNorm1d norm(3), wide(3);
    LayerNorm layer_norm({3});
    const Tensor x = rounded_random({6, 3}, dtype, 1);
    EXPECT_EQ(norm(to(x, dtype)).dtype(), dtype);
    wide(x);
    EXPECT_EQ(norm.running_mean.dtype(), DType::f32);
    EXPECT_EQ(values(norm.running_mean), values(wide.running_mean));
    EXPECT_EQ(values(norm.running_var), values(wide.running_var));
    norm.eval();
    wide.eval();
    EXPECT_EQ(values(norm(to(x, dtype))), values(to(wide(x), dtype)));
    EXPECT_EQ(layer_norm(to(x, dtype)).dtype(), dtype);
  }
}

TEST(HalfLayer, RoundsRunningStatisticsOf16BitsOnce) {
  for (const DType dtype : kHalves) {
    BatchNorm1d norm(3), wide(3);
    norm.to(dtype);
    const Tensor x = rounded_random({6, 3}, dtype, 1);
    norm(to(x, dtype));
    wide(x);
    EXPECT_EQ(norm.running_mean.dtype(), dtype);
    EXPECT_EQ(values(norm.running_mean), values(to(wide.running_mean, dtype)));
    EXPECT_EQ(values(norm.running_var), values(to(wide.running_var, dtype)));
    norm.eval();
    EXPECT_EQ(norm(to(x, dtype)).dtype(), dtype);
  }
}

TEST(HalfAttention, RoundsOnceWithEveryMask) {
  for (const DType dtype : kHalves) {
    const Tensor q = rounded_random({2, 3, 5}, dtype, 1), k = rounded_random({2, 4, 5}, dtype, 2),
                 v = rounded_random({2, 4, 3}, dtype, 3), added = rounded_random({3, 4}, dtype, 4);
    const Tensor allowed = triu(kernels::ones({3, 4}, DType::boolean), 1);  // the last query may see none
    const auto attend = [](const Tensor& a, const Tensor& b, const Tensor& c, const AttentionOptions& o) {
      return functional::scaled_dot_product_attention(a, b, c, o);
    };
    for (const Tensor& mask : {Tensor(), allowed, added}) {
      const bool is_added = mask.defined() && mask.dtype() == DType::f32;
      const Tensor right = attend(q, k, v, {.attn_mask = mask});
      const Tensor got =
          attend(to(q, dtype), to(k, dtype), to(v, dtype), {.attn_mask = is_added ? to(mask, dtype) : mask});
      EXPECT_EQ(got.dtype(), dtype);
      EXPECT_EQ(values(got), values(to(right, dtype)));
    }
    EXPECT_THROW(attend(to(q, dtype), to(k, dtype), to(v, dtype), {.attn_mask = added}), DtypeError);
    EXPECT_THROW(attend(to(q, dtype), k, v, {}), DtypeError);
    const Tensor even = slice(k, -1, 0, 4);
    EXPECT_EQ(values(functional::rotary_embedding(to(even, dtype), {})),
              values(to(functional::rotary_embedding(even, {}), dtype)));
  }
}

TEST(HalfLayers, OfManyPartsTake16BitsAndGiveGradientsInThem) {
  for (const DType dtype : kHalves) {
    MultiheadAttention attention(6, 2);
    LSTM lstm(4, 3);
    GRU gru(4, 3);
    Bilinear bilinear(4, 3, 2);
    for (Module* layer : std::initializer_list<Module*>{&attention, &lstm, &gru, &bilinear}) {
      round_parameters(*layer, dtype);
      layer->to(dtype);
    }
    const Tensor x = to(rounded_random({5, 2, 6}, dtype, 1), dtype),
                 steps = to(rounded_random({5, 2, 4}, dtype, 2), dtype);
    const Tensor other = to(rounded_random({5, 2, 3}, dtype, 3), dtype);
    const std::vector<Tensor> outputs = {attention(x, x, x), lstm(steps), gru(steps), bilinear(steps, other)};
    for (const Tensor& y : outputs) {
      EXPECT_EQ(y.dtype(), dtype);
      backward(sum(y));
    }
    for (Module* layer : std::initializer_list<Module*>{&attention, &lstm, &gru, &bilinear}) {
      for (const NamedTensor& p : layer->named_parameters()) EXPECT_EQ(p.tensor.grad().dtype(), dtype) << p.name;
    }
  }
}

}  // namespace
}  // namespace hop::nn
