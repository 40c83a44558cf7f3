// Deep copies of modules.
#include "nn/clone.h"

#include <optional>

#include "autograd/graph.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/spec.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Block : Module {
  explicit Block(std::int64_t n) : fc(register_module("fc", Linear(n, n))) {}
  Tensor forward(const Tensor& x) override { return dropout(relu(norm(fc(x)))) * scale; }
  Linear fc;
  BatchNorm1d norm = register_module("norm", BatchNorm1d(fc.weight.size(0)));
  Dropout dropout = register_module("dropout", Dropout(0.5));
  Parameter scale = register_parameter("scale", kernels::ones({1}));
};

struct Net : Module {
  Net() {
    for (int i = 0; i < 2; ++i) blocks.push_back(register_module("block" + std::to_string(i), Block(4)));
    head.emplace(register_module("head", Linear(4, 2)));
  }
  Tensor forward(const Tensor& x) override {
    Tensor y = tail(x);
    for (Block& block : blocks) y = block(y);
    return (*head)(y);
  }
  Sequential tail = register_module("tail", Sequential(Linear(3, 4), Sequential(Tanh(), Linear(4, 4))));
  std::vector<Block> blocks;
  std::optional<Linear> head;
};

Tensor input() { return Tensor::from<float>({1, 2, 3, -4, 5, -6, 0.5F, 0, 1}, {3, 3}); }

// The module's output before and after one step of SGD.
std::string trained(Module& module) {
  std::string all;
  for (int i = 0; i < 2; ++i) {
    const Tensor y = module(input());
    all += bits(y);
    backward(sum(square(y)));
    for (const Tensor& p : module.parameters()) {
      all += bits(p.grad());
      const NoGradGuard no_grad;
      add_(p, p.grad(), -0.1);
    }
    module.zero_grad();
  }
  for (const NamedTensor& entry : module.state_dict()) all += bits(entry.tensor);
  return all;
}

TEST(Clone, ComputesAsItsOriginalAndSharesNothing) {
  Net net;
  init_parameters(net, 1);
  net.set_random_key(7);
  net(input());  // moves the statistics and the draws
  const StateDict before = net.state_dict();
  Net copy = clone(net);
  EXPECT_EQ(names_of(copy.state_dict()), names_of(before));
  EXPECT_EQ(copy.to_string(), net.to_string());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_FALSE(copy.state_dict()[i].tensor.is_same(before[i].tensor)) << before[i].name;
    EXPECT_NE(copy.state_dict()[i].tensor.raw_data(), before[i].tensor.raw_data()) << before[i].name;
  }
  const std::string original = trained(net);
  EXPECT_EQ(trained(copy), original);
  // Mode, freezing and hooks are its own, too.
  copy.eval();
  copy.requires_grad_(false);
  EXPECT_TRUE(net.blocks[0].is_training());
  EXPECT_TRUE(net.head->weight.requires_grad());
}

TEST(Clone, KeepsModeFreezingGradientsAndHooks) {
  Net net;
  init_parameters(net, 1);
  net.eval();
  net.blocks[1].requires_grad_(false);
  int calls = 0;
  net.head->register_forward_hook([&calls](Module&, const Tensor&, const Tensor&) {
    ++calls;
    return Tensor();
  });
  backward(sum(net(input())));
  Net copy = clone(net);
  EXPECT_FALSE(copy.blocks[0].is_training());
  EXPECT_FALSE(copy.blocks[1].fc.weight.requires_grad());
  EXPECT_EQ(bits(copy.head->weight.grad()), bits(net.head->weight.grad()));
  EXPECT_FALSE(copy.head->weight.grad().is_same(net.head->weight.grad()));
  copy(input());
  EXPECT_EQ(calls, 2);
}

TEST(Clone, SharesTheModulesThatHooksCaptured) {
  Linear fc(2, 2);
  const Linear probe(2, 2);
  const void* seen = nullptr;
  fc.register_forward_hook([probe, &seen](Module&, const Tensor&, const Tensor&) {
    seen = probe.weight.id();
    return Tensor();
  });
  Linear copy = clone(fc);
  copy(Tensor::from<float>({1, 2}, {1, 2}));
  EXPECT_EQ(seen, probe.weight.id());
}

struct LanguageModel : Module {
  Embedding table = register_module("table", Embedding(5, 3));
  Linear head = register_module("head", Linear(table.weight, {.bias = false}));
  Tensor forward(const Tensor& x) override { return head(table(x)); }
};

TEST(Clone, SharesWithinWhatIsSharedWithin) {
  LanguageModel model;
  init_parameters(model, 1);
  const LanguageModel copy = clone(model);
  EXPECT_TRUE(copy.head.weight.is_same(copy.table.weight));
  EXPECT_FALSE(copy.head.weight.is_same(model.table.weight));
  EXPECT_EQ(copy.parameters().size(), 1U);
}

TEST(Clone, OfALayerAlone) {
  Linear fc(2, 1);
  init_parameters(fc, 1);
  const Linear copy = clone(fc);
  EXPECT_EQ(bits(copy.weight), bits(fc.weight));
  EXPECT_FALSE(copy.weight.is_same(fc.weight));
  const Linear handle = fc;  // a copy is the same module still
  EXPECT_TRUE(handle.weight.is_same(fc.weight));
}

TEST(Clone, OfASpecsModel) {
  const std::vector<std::string> lines = {"linear 4", "batchnorm1d", "relu", "linear 2"};
  Sequential net = build_spec(parse_spec(lines), Shape{3});
  init_parameters(net, 1);
  Sequential copy = clone(net);
  EXPECT_EQ(trained(copy), trained(net));
}

TEST(Clone, RefusesWhatWouldStayTheOriginals) {
  struct PlainTensor : Module {
    Tensor scale = register_parameter("scale", kernels::ones({1}));
  };
  struct Outer : Module {
    PlainTensor inner = register_module("inner", PlainTensor());
  };
  EXPECT_EQ(
      message_of<ConfigError>([] { clone(Outer()); }),
      "[clone] expected an nn::Parameter as the member that holds \"inner.scale\", got a Tensor, which would stay "
      "the original's");

  struct Pointer : Module {
    Pointer() { add_child("fc", fc); }
    std::shared_ptr<Linear> fc = std::make_shared<Linear>(2, 2);
  };
  EXPECT_THAT(message_of<ConfigError>([] { clone(Pointer()); }), HasSubstr("child \"fc\" as a value"));

  Sequential erased;
  erased.append(std::shared_ptr<Module>(std::make_shared<Linear>(2, 2)));
  EXPECT_THAT(message_of<ConfigError>([&] { clone(erased); }), HasSubstr("of a known type, got a pointer to a Linear"));
  Sequential typed;
  typed.append(std::make_shared<Linear>(2, 2));
  EXPECT_NO_THROW(clone(typed));

  const Sequential seen_as_base(Linear(2, 2), ReLU());
  struct Derived : Sequential {};
  const Derived derived;
  EXPECT_THAT(message_of<ConfigError>([&] { clone<Sequential>(derived); }), HasSubstr("[clone]"));
  EXPECT_NO_THROW(clone(seen_as_base));  // a failed clone leaves nothing behind
}

TEST(Clone, RefusesASecondHolderOfATiedTensorThatIsNoParameter) {
  struct Tied : Module {
    Embedding table = register_module("table", Embedding(5, 3));
    Tensor head = table.weight;
    Tensor forward(const Tensor& x) override { return matmul(table(x), transpose(head, 0, 1)); }
  };
  EXPECT_EQ(
      message_of<ConfigError>([] { clone(Tied()); }),
      "[clone] expected an nn::Parameter as the member that holds \"table.weight\", got a Tensor, which would stay "
      "the original's");
  struct TiedWell : Module {
    Embedding table = register_module("table", Embedding(5, 3));
    Parameter head = table.weight;
  };
  const TiedWell copy = clone(TiedWell());
  EXPECT_TRUE(copy.head.is_same(copy.table.weight));
}

TEST(Clone, TakesNoNoticeOfHandlesThatItsCallerKeeps) {
  const auto fc = std::make_shared<Linear>(2, 2);
  Sequential net;
  net.append(fc);
  const Tensor weight = fc->weight;
  const std::vector<Tensor> parameters = net.parameters();
  fc->register_forward_hook([weight](Module&, const Tensor&, const Tensor&) { return Tensor(); });
  const Sequential copy = clone(net);
  EXPECT_FALSE(copy.parameters()[0].is_same(weight));
}

static_assert(!std::is_assignable_v<Linear&, Linear>);
static_assert(!std::is_assignable_v<Net&, const Net&>);
static_assert(!std::is_assignable_v<decltype(Linear::weight)&, Tensor>);
static_assert(!std::is_assignable_v<decltype(Linear::weight)&, Parameter>);

}  // namespace
}  // namespace hop::nn
