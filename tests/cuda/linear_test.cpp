// Linear layers with relu in a training step: on a device, relu leaves a mask, and the layer behind it lets its
// gradient pass where the mask says. Held against the same layers with relu as an operation of its own, on the device,
// in the same arithmetic: the bits of both ways are equal there, where our own kernels multiply.
#include "kernels/matmul.h"

#include <cmath>

#include "autograd/graph.h"
#include "autograd/hooks.h"
#include "autograd/ops.h"
#include "kernels/copy.h"
#include "kernels/cuda/math.h"
#include "nn/layers.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::near;
using hop::testing::random_tensor;
using hop::testing::same_bits;

class CudaLinear : public OnDevice {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    if (IsSkipped()) return;
    // Rows of the mask have several words, the last one partly filled.
    x_ = leaf({19, 24}, 1), w1_ = leaf({37, 24}, 2), b1_ = leaf({37}, 3), w2_ = leaf({130, 37}, 4);
    b2_ = leaf({130}, 5), w3_ = leaf({3, 130}, 6), b3_ = leaf({3}, 7);
  }
  static Tensor leaf(const Shape& shape, std::uint64_t seed) {
    const Tensor x = on_device(random_tensor(shape, DType::f32, seed));
    x.set_requires_grad(true);
    return x;
  }
  /// relu(linear(x)), as one operation or as two.
  static Tensor layer(bool fused, const Tensor& x, const Tensor& weight, const Tensor& bias) {
    return fused ? hop::linear_relu(x, weight, bias) : hop::relu(hop::linear(x, weight, bias));
  }

  MathGuard own_{{.own_kernels = true}};
  Tensor x_, w1_, b1_, w2_, b2_, w3_, b3_;
};

/// The gradients of all leaves after f(fused) was walked back from.
template <class F>
std::vector<Tensor> gradients(const std::vector<Tensor>& leaves, bool fused, const F& f) {
  for (const Tensor& leaf : leaves) leaf.set_grad({});
  backward(f(fused));
  std::vector<Tensor> all;
  for (const Tensor& leaf : leaves) all.push_back(on_host(leaf.grad().detach()));
  return all;
}

void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(same_bits(a[i], b[i])) << i;
}

TEST_F(CudaLinear, ReluAsAPartOfTheLayerHasTheBitsOfReluBehindIt) {
  const std::vector<Tensor> leaves = {x_, w1_, b1_, w2_, b2_, w3_, b3_};
  const auto net = [&](bool fused) {
    return hop::sum(hop::linear(layer(fused, layer(fused, x_, w1_, b1_), w2_, b2_), w3_, b3_));
  };
  expect_same(gradients(leaves, true, net), gradients(leaves, false, net));
}

// A library's products, where there is one, round elsewhere; with widths that it takes masks and sums for.
TEST_F(CudaLinear, AgreesWithReluBehindItWhoeverMultiplies) {
  const MathGuard library({.own_kernels = false});
  for (const std::int64_t rows : {1, 32, 130}) {
    const Tensor x = leaf({rows, 64}, 11), w1 = leaf({96, 64}, 12), b1 = leaf({96}, 13), w2 = leaf({40, 96}, 14),
                 b2 = leaf({40}, 15), w3 = leaf({10, 40}, 16), b3 = leaf({10}, 17);
    const std::vector<Tensor> leaves = {x, w1, b1, w2, b2, w3, b3};
    const auto net = [&](bool fused) {
      return hop::sum(hop::linear(layer(fused, layer(fused, x, w1, b1), w2, b2), w3, b3));
    };
    const auto fused = gradients(leaves, true, net), apart = gradients(leaves, false, net);
    for (std::size_t i = 0; i < leaves.size(); ++i) EXPECT_TRUE(near(fused[i], apart[i], 1e-3)) << rows << " " << i;
  }
}

// A batch is often a part of a larger array: the library is asked as it is for an array of its own.
TEST_F(CudaLinear, GradientsHaveTheSameBitsWhereverTheArraysBegin) {
  const MathGuard library({.own_kernels = false});
  const auto shifted = [](const Tensor& t) {  // by 4 bytes
    const Tensor y =
        Tensor::empty({t.numel() + 1}, t.dtype(), t.device()).as_strided(t.shape(), contiguous_strides(t.shape()), 1);
    kernels::copy_(y, t);
    return y;
  };
  const Tensor g = on_device(random_tensor({32, 24}, DType::f32, 21));
  const Tensor x = on_device(random_tensor({32, 40}, DType::f32, 22));
  const Tensor weight = on_device(random_tensor({24, 40}, DType::f32, 23));
  const Tensor dweight = on_device(random_tensor({24, 40}, DType::f32, 24)),
               dbias = on_device(random_tensor({24}, DType::f32, 26));
  const Tensor other_dweight = shifted(dweight), other_dbias = shifted(dbias);
  const bool in_one_go = kernels::linear_parameter_grads(g, x, dweight, dbias);
  EXPECT_EQ(kernels::linear_parameter_grads(shifted(g), shifted(x), other_dweight, other_dbias), in_one_go);
  EXPECT_TRUE(same_bits(on_host(other_dweight), on_host(dweight)));
  EXPECT_TRUE(same_bits(on_host(other_dbias), on_host(dbias)));

  const Tensor mask = kernels::linear_relu(x, on_device(random_tensor({40, 40}, DType::f32, 25)), {}).mask;
  EXPECT_TRUE(same_bits(on_host(kernels::linear_input_grad(shifted(g), shifted(weight), mask)),
                        on_host(kernels::linear_input_grad(g, weight, mask))));
}

TEST_F(CudaLinear, AMaskThatTwoLayersReadLetsTheirSumPass) {
  const Tensor w4 = leaf({3, 37}, 8);
  const std::vector<Tensor> leaves = {x_, w1_, b1_, w2_, b2_, w4};
  const auto net = [&](bool fused) {
    const Tensor h = layer(fused, x_, w1_, b1_);
    return hop::sum(hop::linear(h, w4)) + hop::sum(layer(fused, h, w2_, b2_)) + hop::sum(h * h);
  };
  const auto fused = gradients(leaves, true, net), apart = gradients(leaves, false, net);
  for (std::size_t i = 0; i < leaves.size(); ++i) EXPECT_TRUE(near(fused[i], apart[i], 1e-5)) << i;
}

TEST_F(CudaLinear, WhoeverLooksAtTheGradientBetweenSeesItWithoutTheMask) {
  const auto seen = [&](bool fused) {
    const Tensor h = layer(fused, x_, w1_, b1_);
    return on_host(hop::grad({hop::sum(hop::linear(h, w2_, b2_))}, {h})[0]);
  };
  EXPECT_TRUE(same_bits(seen(true), seen(false)));
  const auto hooked = [&](bool fused) {
    const Tensor h = layer(fused, x_, w1_, b1_);
    Tensor kept;
    register_hook(h, [&](const Tensor& g) {
      kept = on_host(g);
      return Tensor();
    });
    backward(hop::sum(hop::linear(h, w2_, b2_)));
    return kept;
  };
  EXPECT_TRUE(same_bits(hooked(true), hooked(false)));
}

TEST_F(CudaLinear, SecondGradientsGoThroughTheMask) {
  const auto second = [&](bool fused) {
    const Tensor y =
        hop::sum(hop::linear(layer(fused, x_, w1_, b1_), w2_, b2_) * hop::linear(layer(fused, x_, w1_, b1_), w2_, b2_));
    const Tensor dx = hop::grad({y}, {x_}, {.create_graph = true})[0];
    return on_host(hop::grad({hop::sum(dx * dx)}, {w1_})[0]);
  };
  EXPECT_TRUE(near(second(true), second(false), 1e-4));
}

TEST_F(CudaLinear, NanPassesReluBothWays) {
  const Tensor x = on_host(x_.detach());
  x.data<float>()[5] = std::nan("");
  const Tensor there = on_device(x);
  const Tensor y = on_host(hop::linear_relu(there, w1_, b1_).detach());
  for (int j = 0; j < 37; ++j) EXPECT_TRUE(std::isnan(y.data<float>()[j])) << j;
  w1_.set_grad({});
  backward(hop::sum(hop::linear_relu(there, w1_, b1_)));
  EXPECT_TRUE(std::isnan(on_host(w1_.grad().detach()).data<float>()[5]));
}

// Values, gradients and gradients of gradients, with NaN and infinities in a row, in a weight and in the gradient.
TEST_F(CudaLinear, NanAndInfinitiesHaveTheBitsOfReluBehindTheLayer) {
  const float kOdd[] = {std::nanf(""), HUGE_VALF, -HUGE_VALF};
  const auto with = [](const Tensor& leaf, std::int64_t at, float value) {
    const Tensor x = on_host(leaf.detach());
    x.data<float>()[at] = value;
    const Tensor there = on_device(x);
    there.set_requires_grad(true);
    return there;
  };
  for (const float odd : kOdd) {
    const Tensor x = with(x_, 5, odd), w1 = with(w1_, 100, odd), w2 = with(w2_, 40, odd), b1 = with(b1_, 3, odd);
    const std::vector<Tensor> leaves = {x, w1, b1, w2, b2_, w3_, b3_};
    const auto net = [&](bool fused) {
      return hop::sum(hop::linear(layer(fused, layer(fused, x, w1, b1), w2, b2_), w3_, b3_));
    };
    expect_same(gradients(leaves, true, net), gradients(leaves, false, net));
    const auto value = [&](bool fused) { return on_host(layer(fused, x, w1, b1).detach()); };
    EXPECT_TRUE(same_bits(value(true), value(false))) << odd;
    const auto second = [&](bool fused) {
      const Tensor dx = hop::grad({hop::sum(layer(fused, x, w1, b1))}, {x}, {.create_graph = true})[0];
      return on_host(hop::grad({hop::sum(dx * dx)}, {w1})[0]);
    };
    EXPECT_TRUE(same_bits(second(true), second(false))) << odd;
  }
}

TEST_F(CudaLinear, ASequenceOfLayersHasTheBitsOfItsLayersOneByOne) {
  nn::Sequential net(nn::Linear(24, 37), nn::ReLU(), nn::Linear(37, 3));
  for (const nn::NamedTensor& p : net.named_parameters()) {
    const Tensor there = on_device(random_tensor(p.tensor.shape(), DType::f32, 9));
    p.tensor.rebind(there.storage(), there.storage_offset());
  }
  const Tensor together = on_host(net(x_).detach());
  int seen = 0;
  net.named_children()[1].module->register_forward_hook([&](nn::Module&, const Tensor&, const Tensor&) {
    ++seen;
    return Tensor();
  });
  EXPECT_TRUE(same_bits(on_host(net(x_).detach()), together));
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace hop::kernels::cuda
