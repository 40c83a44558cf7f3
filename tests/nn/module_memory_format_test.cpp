// Parameters with channels last: Module::to(MemoryFormat).
#include <algorithm>
#include <optional>
#include <string>

#include "autograd/graph.h"
#include "autograd/memory_format.h"
#include "nn/clone.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/state.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using testing::bits;

constexpr MemoryFormat kLast = MemoryFormat::channels_last, kPlanes = MemoryFormat::contiguous;

struct Net : Module {
  Conv2d conv = register_module("conv", Conv2d(3, 8, 3));
  BatchNorm2d norm = register_module("norm", BatchNorm2d(8));
  Conv2d grouped = register_module("grouped", Conv2d(8, 6, 2, {.groups = 2}));
  Linear fc = register_module("fc", Linear(6 * 4 * 3, 5));
  Buffer table = register_buffer("table", ones({1, 3, 2, 2}));
  Tensor forward(const Tensor& x) override { return fc(flatten(grouped(relu(norm(conv(x)))), 1)); }
};

Tensor images() { return randn({2, 3, 7, 6}, {.key = 5, .step = 0, .draw = 0}); }

std::string gradients(Module& net, const Tensor& x) {
  net.zero_grad();
  const Tensor y = net(x);
  backward(sum(y * y));
  std::string all = bits(y);
  for (const Tensor& p : net.parameters()) all += bits(p.grad());
  return all;
}

TEST(ModuleMemoryFormat, ParametersAndBuffersOfFourDimensionsLieSo) {
  Net net;
  init_parameters(net, 1);
  const Tensor weight = net.conv.weight;
  const std::string before = bits(weight), result = gradients(net, images());
  EXPECT_EQ(&net.to(kLast), &net);
  EXPECT_EQ(weight.strides(), (Strides{27, 1, 9, 3}));
  EXPECT_TRUE(net.conv.weight.is_same(weight));
  EXPECT_TRUE(weight.requires_grad());
  EXPECT_EQ(bits(weight), before);
  EXPECT_TRUE(is_contiguous(net.grouped.weight, kLast));
  EXPECT_TRUE(is_contiguous(net.table, kLast));
  EXPECT_FALSE(net.table.is_contiguous());
  EXPECT_TRUE(net.fc.weight.is_contiguous());
  EXPECT_EQ(gradients(net, images()), result);
  EXPECT_TRUE(weight.grad().is_contiguous());
  net.to(kPlanes);
  EXPECT_TRUE(weight.is_contiguous());
  EXPECT_EQ(gradients(net, images()), result);
}

TEST(ModuleMemoryFormat, ParametersKeepItWhenTheyAreInitializedLoadedClonedAndConverted) {
  Net planes, net;
  net.to(kLast);
  init_parameters(planes, 1);
  init_parameters(net, 1);
  EXPECT_FALSE(net.conv.weight.is_contiguous());
  EXPECT_EQ(bits(net.conv.weight), bits(planes.conv.weight));
  Net loaded;
  loaded.to(kLast);
  loaded.load_state_dict(planes.state_dict());
  EXPECT_FALSE(loaded.grouped.weight.is_contiguous());
  EXPECT_EQ(bits(loaded.grouped.weight), bits(planes.grouped.weight));
  const Net copy = hop::nn::clone(net);
  EXPECT_FALSE(copy.conv.weight.is_contiguous());
  EXPECT_EQ(bits(copy.conv.weight), bits(planes.conv.weight));
  net.to(DType::f64);
  planes.to(DType::f64);
  EXPECT_TRUE(is_contiguous(net.conv.weight, kLast));
  EXPECT_EQ(net.conv.weight.dtype(), DType::f64);
  EXPECT_EQ(bits(net.conv.weight), bits(planes.conv.weight));
}

TEST(ModuleMemoryFormat, OptimizersAndStateBlocksLayParametersContiguousAndTrainTheSameBits) {
  const auto trained = [](bool last, bool block) {
    Net net;
    init_parameters(net, 1);
    if (last) net.to(kLast);
    optim::Adam adam(net.named_parameters(), {.lr = 0.01});
    EXPECT_TRUE(net.conv.weight.is_contiguous());
    std::optional<StateBlock> state;
    if (block) state.emplace(net, &adam);
    for (int i = 0; i < 3; ++i) {
      adam.zero_grad();
      const Tensor y = net(last ? to(images(), kLast) : images());
      backward(sum(y * y));
      adam.step();
    }
    std::string all;
    for (const NamedTensor& entry : net.state_dict()) all += bits(entry.tensor);
    return all;
  };
  const std::string expected = trained(false, false);
  EXPECT_EQ(trained(true, false), expected);
  EXPECT_EQ(trained(true, true), expected);
}

TEST(ModuleMemoryFormat, AStateBlockWithoutAnOptimizerHoldsTheSameBytes) {
  Net planes, last;
  init_parameters(planes, 1);
  init_parameters(last, 1);
  last.to(kLast);
  const StateBlock expected(planes, nullptr), block(last, nullptr);
  EXPECT_TRUE(last.conv.weight.is_contiguous());
  EXPECT_EQ(bits(last.conv.weight), bits(planes.conv.weight));
  EXPECT_TRUE(std::ranges::equal(block.bytes(), expected.bytes()));
}

TEST(ModuleMemoryFormat, AnOptimizerThatIsThereRefusesAnotherFormat) {
  Net net;
  init_parameters(net, 1);
  optim::Adam adam(net.named_parameters(), {});
  backward(sum(net(images())));
  net.to(kLast);
  try {
    adam.step();
    FAIL();
  } catch (const ShapeError& e) {
    EXPECT_STREQ(e.what(),
                 "[optimizer] expected a parameter that is contiguous, as it was, got f32 (8, 3, 3, 3) on cpu "
                 "(conv.weight); make the optimizer after Module::to()");
  }
}

TEST(ModuleMemoryFormat, FiveDimensionsHaveNoChannelsLast) {
  struct Volumes : Module {
    Conv2d flat = register_module("flat", Conv2d(2, 3, 3));
    Conv3d conv = register_module("conv", Conv3d(2, 3, 3));
    std::string type_name() const override { return "Volumes"; }
  } net;
  try {
    net.to(kLast);
    FAIL();
  } catch (const ShapeError& e) {
    EXPECT_STREQ(e.what(),
                 "[Volumes] expected parameters of at most four dimensions for channels last, got f32 (3, 2, 3, 3, 3) "
                 "on cpu (conv.weight)");
  }
  EXPECT_TRUE(net.flat.weight.is_contiguous());  // nothing has moved
  net.to(kPlanes);
}

}  // namespace
}  // namespace hop::nn
