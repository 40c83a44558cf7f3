// Modules in the place of others.
#include "autograd/checkpoint.h"
#include "autograd/graph.h"
#include "nn/clone.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/sgd.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Net : Module {
  Sequential body = register_module("body", Sequential(Linear(2, 3), ReLU()));
  Linear fc = register_module("fc", Linear(3, 5));
  Tensor forward(const Tensor& x) override { return fc(body(x)); }
};

Tensor input() { return Tensor::from<float>({1, 2, -3, 4}, {2, 2}); }

TEST(ReplaceModule, ReachesForwardRegistryAndFile) {
  Net net;
  init_parameters(net, 1);
  const Linear handle = net.fc;
  const Linear fc = net.replace_module("fc", Linear(3, 2));
  init_parameters(net, 2);
  const Tensor y = net(input());
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_EQ(bits(y), bits(hop::linear(net.body(input()), fc.weight, fc.bias)));
  EXPECT_EQ(bits(Linear(handle)(net.body(input()))), bits(y)) << "every handle calls the new one";
  EXPECT_THAT(names_of(net.state_dict()), ElementsAre("body.0.weight", "body.0.bias", "fc.weight", "fc.bias"));
  EXPECT_TRUE(net.parameters()[2].is_same(fc.weight));
  EXPECT_THAT(net.to_string(), HasSubstr("out_features=2"));
}

TEST(ReplaceModule, TakesAPathAndAnotherType) {
  Net net;
  init_parameters(net, 1);
  net.replace_module("body.1", Sequential(Tanh(), Dropout(0)));
  const Linear first = net.replace_module("body.0", Linear(2, 3));
  init_parameters(net, 1);
  EXPECT_EQ(bits(net(input())), bits(net.fc(tanh(hop::linear(input(), first.weight, first.bias)))));
}

// y = fc(x) + x A B: a wrapper around the module whose place it takes.
struct Adapter : Module {
  explicit Adapter(const Linear& around) : fc(register_module("fc", around)) {}
  Tensor forward(const Tensor& x) override { return fc(x) + up(down(x)); }
  Linear fc;
  Linear down = register_module("down", Linear(fc.weight.size(1), 1, {.bias = false}));
  Linear up = register_module("up", Linear(1, fc.weight.size(0), {.bias = false}));
};

TEST(ReplaceModule, TakesAWrapperAroundTheOldModuleAndTheOldModuleAgain) {
  Net net;
  init_parameters(net, 1);
  const Tensor before = net(input());
  Linear old = net.fc;
  {
    const Adapter adapter = net.replace_module("fc", Adapter(net.fc));
    init::constant_(adapter.up.weight, 0);
    init::constant_(adapter.down.weight, 1);
    EXPECT_EQ(bits(net(input())), bits(before));
    init::constant_(adapter.up.weight, 1);
    EXPECT_NE(bits(net(input())), bits(before));
    EXPECT_EQ(net.parameters().size(), 6U);
    EXPECT_THROW(net.replace_module("body.1", old), ConfigError) << "its handles call the adapter";
    net.replace_module("fc", old);
  }
  EXPECT_EQ(bits(net(input())), bits(before));
  EXPECT_EQ(net.parameters().size(), 4U);
  net.replace_module("fc", Adapter(net.fc));  // and once more
  EXPECT_EQ(net.parameters().size(), 6U);
}

TEST(ReplaceModule, RunsAWrapperOnceWhoeverCallsIt) {
  Linear fc(2, 3);
  Sequential net(fc, ReLU());
  init_parameters(net, 1);
  Adapter adapter = net.replace_module("0", Adapter(fc));
  init_parameters(adapter.down, 2);
  init_parameters(adapter.up, 3);
  const Tensor right = hop::linear(input(), fc.weight, fc.bias) +
                       hop::linear(hop::linear(input(), adapter.down.weight), adapter.up.weight);
  EXPECT_EQ(bits(net(input())), bits(relu(right))) << "its parent";
  EXPECT_EQ(bits(adapter(input())), bits(right)) << "the handle that is returned";
  EXPECT_EQ(bits(fc(input())), bits(right)) << "a handle to the old one";
  EXPECT_THROW(net.replace_module("0.fc", Linear(2, 3)), ConfigError) << "its handles would pass by the adapter";
}

TEST(ReplaceModule, TakesOneAfterAnother) {
  Net net;
  init_parameters(net, 1);
  net.replace_module("fc", Linear(3, 4));
  const Linear fc = net.replace_module("fc", Linear(3, 2));
  init_parameters(net, 2);
  EXPECT_EQ(bits(net(input())), bits(hop::linear(net.body(input()), fc.weight, fc.bias)));
  const Adapter inner = net.replace_module("fc", Adapter(fc));
  struct Doubled : Module {
    explicit Doubled(const Adapter& around) : adapter(register_module("adapter", around)) {}
    Tensor forward(const Tensor& x) override { return adapter(x) * 2; }
    Adapter adapter;
  };
  net.replace_module("fc", Doubled(inner));
  init_parameters(net, 3);
  const Tensor x = net.body(input());
  const Tensor once =
      hop::linear(x, fc.weight, fc.bias) + hop::linear(hop::linear(x, inner.down.weight), inner.up.weight);
  EXPECT_EQ(bits(net(input())), bits(once * 2));
  Net copy = clone(net);
  EXPECT_EQ(bits(copy(input())), bits(net(input())));
}

// checkpoint() calls the module that a wrapper is around in the backward pass, when the wrapper itself no longer runs.
struct Checkpointed : Module {
  explicit Checkpointed(const Linear& around) : fc(register_module("fc", around)) {}
  Tensor forward(const Tensor& x) override {
    return checkpoint([this](const Tensor& a) { return fc(a) * scale; }, x);
  }
  Linear fc;
  Parameter scale = register_parameter("scale", kernels::full({1}, 3));
};

std::string gradients_of(Module& net) {
  std::string all;
  for (const Tensor& p : net.parameters()) all += bits(p.grad());
  return all;
}

TEST(ReplaceModule, TakesAWrapperThatCallsTheOldModuleWithinCheckpoint) {
  Net net;
  init_parameters(net, 1);
  const Checkpointed wrapper = net.replace_module("fc", Checkpointed(net.fc));
  const Tensor h = net.body(input());
  const Tensor right = hop::linear(h, wrapper.fc.weight, wrapper.fc.bias) * wrapper.scale;
  backward(sum(square(right)));
  const std::string gradients = gradients_of(net);
  net.zero_grad();
  const Tensor y = net(input());
  EXPECT_EQ(bits(y), bits(right));
  backward(sum(square(y)));
  EXPECT_EQ(gradients_of(net), gradients);
}

// The second run calls the modules of the first, whatever took their places in between.
TEST(ReplaceModule, LeavesACheckpointThatRanBeforeAsItWas) {
  for (const bool had_a_place : {false, true}) {
    Net net;
    if (had_a_place) net.replace_module("fc", Linear(3, 5));
    init_parameters(net, 1);
    const std::vector<Tensor> parameters = net.parameters();
    backward(sum(square(net(input()))));
    const std::string gradients = gradients_of(net);
    net.zero_grad();
    const Tensor y = checkpoint([&](const Tensor& x) { return net(x); }, input());
    net.replace_module("fc", Linear(3, 5));
    backward(sum(square(y)));
    std::string again;
    for (const Tensor& p : parameters) again += bits(p.grad());
    EXPECT_EQ(again, gradients) << had_a_place;
  }
}

TEST(ReplaceModule, IsCloned) {
  Net net;
  init_parameters(net, 1);
  net.replace_module("fc", Adapter(net.fc));
  init_parameters(net, 3);
  Net copy = clone(net);
  const std::string before = bits(net(input()));
  EXPECT_EQ(bits(copy(input())), before);
  init_parameters(net, 4);
  EXPECT_EQ(bits(copy(input())), before);
  EXPECT_THROW(clone(net.fc), ConfigError) << "a replaced module has no place of its own";
}

TEST(ReplaceModule, TrainsByAnOptimizerThatIsMadeAfterwards) {
  Net net;
  init_parameters(net, 1);
  const Linear fc = net.replace_module("fc", Linear(3, 1));
  init_parameters(net, 1);
  optim::SGD sgd(net.parameters(), {.lr = 0.1});
  const std::string before = bits(fc.weight);
  backward(sum(net(input())));
  sgd.step();
  EXPECT_NE(bits(fc.weight), before);
}

TEST(ReplaceModule, GivesItsRandomKeyToTheNewOne) {
  Net net;
  init_parameters(net, 1);
  net.set_random_key(1);
  net.replace_module("body.1", Dropout(0.5));
  EXPECT_NO_THROW(net(input()));
}

TEST(ReplaceModule, RefusesWhatItCannotReach) {
  Net net;
  EXPECT_EQ(message_of<ConfigError>([&] { net.replace_module("fd", ReLU()); }),
            "[replace_module] expected the path of a child of this module, got \"fd\"");
  EXPECT_THROW(net.replace_module("body.7", ReLU()), ConfigError);
  EXPECT_THROW(net.replace_module("nobody.7", ReLU()), ConfigError);
  EXPECT_THROW(net.replace_module("", ReLU()), ConfigError);
  EXPECT_THROW(net.replace_module("fc", net), ConfigError) << "it would hold itself";

  const Linear shared(2, 2);
  Sequential twice(shared, shared);
  EXPECT_EQ(message_of<ConfigError>([&] { twice.replace_module("0", ReLU()); }),
            "[replace_module] expected a child that no other name and no other module holds, got \"0\"");
  { Sequential gone(net.body, ReLU()); }
  EXPECT_NO_THROW(net.replace_module("body", Linear(2, 3))) << "the other parent is gone";

  struct Tailed : Module {
    BatchNorm1d bn = register_module("bn", BatchNorm1d(2));
    Tensor forward(const Tensor& x) override { return bn(x, {.relu = true}); }
  };
  Tailed tailed;
  init_parameters(tailed, 1);
  tailed.replace_module("bn", Linear(2, 2));
  EXPECT_THAT(message_of<StateError>([&] { tailed(input()); }), HasSubstr("[BatchNorm1d]"));
}

TEST(Module, IsNotItsOwnChild) {
  struct Loop : Module {
    void add(const char* name, const std::shared_ptr<Module>& child) { add_child(name, child); }
  };
  const auto loop = std::make_shared<Loop>(), inner = std::make_shared<Loop>();
  EXPECT_EQ(message_of<ConfigError>([&] { loop->add("me", loop); }),
            "[module] expected a child other than the module itself, got \"me\", which is it");
  loop->add("inner", inner);
  EXPECT_EQ(message_of<ConfigError>([&] { inner->add("outer", loop); }),
            "[module] expected a child other than the module itself, got \"outer\", which holds it as \"inner\"");
  EXPECT_THROW(loop->add("none", nullptr), ConfigError);
}

TEST(Linear, SharesAWeightWithTheModuleThatInitialisesIt) {
  Embedding table(5, 3);
  Linear head(table.weight);
  init_parameters(table, 1);
  const std::string before = bits(table.weight);
  init_parameters(head, 2);
  EXPECT_EQ(bits(head.weight), before);
  EXPECT_TRUE(head.weight.is_same(table.weight));
  EXPECT_EQ(head.bias.shape(), (Shape{5}));
  EXPECT_TRUE(table.weight.requires_grad());
  table.requires_grad_(false);
  EXPECT_FALSE(Linear(table.weight).weight.requires_grad());
  EXPECT_FALSE(table.weight.requires_grad());
  EXPECT_THROW(Linear(Parameter{}), ConfigError);
  EXPECT_THROW(Linear(head.bias), ShapeError);
}

}  // namespace
}  // namespace hop::nn
