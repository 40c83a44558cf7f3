// The tree of modules: names, order, sharing, modes, hooks, text.
#include "nn/module.h"

#include "autograd/graph.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Block : Module {
  Linear fc = register_module("fc", Linear(2, 2));
  BatchNorm1d bn = register_module("bn", BatchNorm1d(2));
  Tensor forward(const Tensor& x) override { return bn(fc(x)); }
};

struct Net : Module {
  Tensor scale = register_parameter("scale", kernels::ones({1}));
  Tensor seen = register_buffer("seen", kernels::zeros({}, DType::i64));
  Block block = register_module("block", Block());
  Sequential head = register_module("head", Sequential(ReLU(), Linear(2, 1, {.bias = false})));
  Tensor forward(const Tensor& x) override { return mul(head(block(x)), scale); }
};

TEST(Module, StateDictHasPyTorchsNamesInPyTorchsOrder) {
  EXPECT_THAT(
      names_of(Net().state_dict()),
      ElementsAre("scale", "seen", "block.fc.weight", "block.fc.bias", "block.bn.weight", "block.bn.bias",
                  "block.bn.running_mean", "block.bn.running_var", "block.bn.num_batches_tracked", "head.1.weight"));
  EXPECT_THAT(names_of(Net().named_parameters()), ElementsAre("scale", "block.fc.weight", "block.fc.bias",
                                                              "block.bn.weight", "block.bn.bias", "head.1.weight"));
  EXPECT_THAT(names_of(Net().named_buffers()),
              ElementsAre("seen", "block.bn.running_mean", "block.bn.running_var", "block.bn.num_batches_tracked"));
  EXPECT_EQ(BatchNorm2d(3).num_batches_tracked.dtype(), DType::i64);
}

TEST(Module, ToConvertsWhatIsFloatingInPlace) {
  Net net;
  const Tensor weight = net.block.fc.weight, seen = net.seen, mean = net.block.bn.running_mean;
  kernels::fill_(weight, 0.25);
  const std::vector<double> before = values(weight);
  weight.set_grad(kernels::ones({2, 2}));
  EXPECT_EQ(&net.to(DType::f64), &net);
  EXPECT_EQ(weight.dtype(), DType::f64);
  EXPECT_EQ(values(weight), before);
  EXPECT_EQ(weight.grad().describe(), "f64 (2, 2) on cpu");
  EXPECT_EQ(mean.dtype(), DType::f64);
  EXPECT_EQ(seen.dtype(), DType::i64);
  EXPECT_TRUE(net.parameters()[1].is_same(weight));
  EXPECT_EQ(net(kernels::ones({3, 2}, DType::f64)).dtype(), DType::f64);
  net.to(Device::cpu(), DType::f32);
  EXPECT_EQ(values(weight), before);
  EXPECT_EQ(net(kernels::ones({3, 2})).dtype(), DType::f32);
  EXPECT_THROW(net.to(DType::i64), DtypeError);
  EXPECT_EQ(weight.dtype(), DType::f32);
}

TEST(Module, ACopyIsTheSameModule) {
  Net net;
  Net copy = net;
  EXPECT_TRUE(copy.block.fc.weight.is_same(net.parameters()[1]));
  copy.eval();
  EXPECT_FALSE(net.block.bn.is_training());
}

TEST(Module, ASharedParameterAppearsOnceAmongParametersAndUnderEachNameInTheStateDict) {
  struct Tied : Module {
    Linear a = register_module("a", Linear(2, 2, {.bias = false}));
    Linear b = register_module("b", a);
  } tied;
  EXPECT_THAT(names_of(tied.named_parameters()), ElementsAre("a.weight"));
  EXPECT_THAT(names_of(tied.state_dict()), ElementsAre("a.weight", "b.weight"));
  EXPECT_EQ(tied.parameter_count(), 4);
  EXPECT_EQ(tied.named_modules().size(), 2U);
}

TEST(Module, NamesAreCheckedWhenTheyAreRegistered) {
  struct Named : Module {
    explicit Named(const char* name) {
      register_parameter("taken", kernels::ones({1}));
      register_module(name, ReLU());
    }
  };
  EXPECT_NO_THROW(Named("free"));
  EXPECT_EQ(message_of<ConfigError>([] { Named("taken"); }),
            "[module] expected a new name, got \"taken\", which is taken");
  EXPECT_EQ(message_of<ConfigError>([] { Named("a.b"); }), "[module] expected a name without dots, got \"a.b\"");
  EXPECT_THROW(Named(""), ConfigError);
}

TEST(Module, LoadsAStateDictByNameAndConvertsDtypes) {
  Linear from(2, 1, {.dtype = DType::f64}), into(2, 1);
  init_parameters(from, 1);
  const Tensor handle = into.weight;
  EXPECT_THAT(into.load_state_dict(from.state_dict()).missing, IsEmpty());
  expect_close(handle, from.weight, 1e-7);
}

TEST(Module, ALoadNamesWhatIsMissingUnexpectedOrMisshapenAndWritesNothing) {
  Linear fc(2, 1);
  init_parameters(fc, 1);
  const std::string before = bits(fc.weight);
  const StateDict other{{"weight", kernels::zeros({1, 2})}, {"offset", kernels::zeros({1})}};
  EXPECT_EQ(message_of<StateError>([&] { fc.load_state_dict(other); }),
            "[load_state_dict] expected the names of Linear; missing: bias; unexpected: offset");
  EXPECT_EQ(message_of<StateError>([&] {
              fc.load_state_dict({{"weight", kernels::zeros({2, 1})}}, false);
            }),
            "[load_state_dict] expected shape (1, 2) for weight, got (2, 1)");
  EXPECT_EQ(bits(fc.weight), before);
  const LoadReport report = fc.load_state_dict(other, /*strict=*/false);
  EXPECT_THAT(report.missing, ElementsAre("bias"));
  EXPECT_THAT(report.unexpected, ElementsAre("offset"));
  EXPECT_THAT(values(fc.weight), ElementsAre(0, 0));
}

TEST(Module, TrainAndEvalReachAllDescendants) {
  Net net;
  EXPECT_TRUE(net.is_training());
  net.eval();
  for (const auto& [name, module] : net.named_modules()) EXPECT_FALSE(module->is_training()) << name;
  net.train();
  EXPECT_TRUE(net.head.is_training());
}

TEST(Module, ApplyVisitsChildrenBeforeParents) {
  std::vector<std::string> visited;
  Net().apply([&](Module& m) { visited.push_back(m.type_name()); });
  EXPECT_THAT(visited, ElementsAre("Linear", "BatchNorm1d", "Block", "ReLU", "Linear", "Sequential", "Net"));
}

TEST(Module, ForwardHooksSeeAndReplaceOutputsUntilRemoved) {
  ReLU relu;
  std::vector<double> seen;
  const Tensor x = Tensor::from<float>({-1, 2}, {2});
  const auto hook = relu.register_forward_hook([&](Module&, const Tensor& input, const Tensor& output) {
    seen = values(input);
    return mul(output, 10);
  });
  EXPECT_THAT(values(relu(x)), ElementsAre(0, 20));
  EXPECT_THAT(seen, ElementsAre(-1, 2));
  relu.remove_hook(hook);
  EXPECT_THAT(values(relu(x)), ElementsAre(0, 2));
}

TEST(Module, ZeroGradKeepsTheGradientsBytes) {
  Linear fc(1, 1);
  init_parameters(fc, 1);
  backward(sum(fc(kernels::ones({1, 1}))));
  const std::byte* bytes = fc.weight.grad().raw_data();
  fc.zero_grad();
  EXPECT_EQ(fc.weight.grad().raw_data(), bytes);
  EXPECT_EQ(fc.weight.grad().item<float>(), 0);
}

TEST(Module, FreezingCountsAsNotTrainable) {
  Net net;
  EXPECT_EQ(net.parameter_count(), 1 + 4 + 2 + 2 + 2 + 2);
  net.block.requires_grad_(false);
  EXPECT_EQ(net.parameter_count(/*trainable_only=*/true), 1 + 2);
}

TEST(Module, FreshWeightsAreNaNUntilInitialised) {
  Linear fc(2, 1);
  EXPECT_TRUE(std::isnan(values(fc(kernels::ones({1, 2})))[0]));
  init_parameters(fc, 1);
  EXPECT_FALSE(std::isnan(values(fc(kernels::ones({1, 2})))[0]));
}

TEST(Module, AModuleWithoutForwardSaysSo) {
  struct Parts : Module {
  } parts;
  EXPECT_EQ(message_of<Error>([&] { parts(kernels::ones({1})); }),
            "[Parts] expected forward(x) to be defined by the module");
}

TEST(Module, PrintsAsPyTorchDoes) {
  EXPECT_EQ(Net().to_string(),
            "Net(\n"
            "  (block): Block(\n"
            "    (fc): Linear(in_features=2, out_features=2, bias=True)\n"
            "    (bn): BatchNorm1d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)\n"
            "  )\n"
            "  (head): Sequential(\n"
            "    (0): ReLU()\n"
            "    (1): Linear(in_features=2, out_features=1, bias=False)\n"
            "  )\n"
            ")");
  EXPECT_EQ(Conv2d(4, 6, {3, 2}, {.stride = 2, .padding = {1, 0}, .groups = 2, .bias = false}).to_string(),
            "Conv2d(4, 6, kernel_size=(3, 2), stride=(2, 2), padding=(1, 0), groups=2, bias=False)");
  EXPECT_EQ(Dropout(0.3).to_string(), "Dropout(p=0.3)");
  EXPECT_EQ(Embedding(10, 3).to_string(), "Embedding(10, 3)");
}

TEST(Layers, RejectImpossibleOptions) {
  EXPECT_EQ(message_of<ConfigError>([] { Linear(0, 3); }), "[Linear] expected in_features of at least 1, got 0");
  EXPECT_EQ(message_of<ConfigError>([] { Conv2d(3, 4, 3, {.groups = 2}); }),
            "[Conv2d] expected channels divisible by groups, got 3 and 4 for 2 groups");
  EXPECT_EQ(message_of<ConfigError>([] { Dropout(1.5); }), "[Dropout] expected a probability in 0..1, got 1.5");
  EXPECT_THROW(MaxPool2d(0), ConfigError);
  EXPECT_THROW(BatchNorm2d(0), ConfigError);
  EXPECT_THROW(LayerNorm(Shape{}), ConfigError);
}

TEST(BatchNorm, RejectsOtherShapesAndASingleValuePerChannel) {
  BatchNorm2d bn(3);
  EXPECT_EQ(message_of<ShapeError>([&] {
              bn(kernels::ones({2, 4, 1, 1}));
            }),
            "[BatchNorm2d] expected (N, C, H, W) with 3 channels, got (2, 4, 1, 1)");
  EXPECT_THROW(bn(kernels::ones({2, 3})), ShapeError);
  EXPECT_THROW(bn(kernels::ones({1, 3, 1, 1})), ShapeError);
  bn.eval();
  EXPECT_NO_THROW(bn(kernels::ones({1, 3, 1, 1})));
}

TEST(BatchNorm, CanNormaliseByTheBatchAloneWithoutParameters) {
  BatchNorm1d bn(1, {.affine = false, .track_running_stats = false});
  EXPECT_THAT(bn.state_dict(), IsEmpty());
  bn.eval();
  EXPECT_NEAR(values(bn(Tensor::from<float>({1, 3}, {2, 1})))[1], 1, 1e-4);
}

TEST(BatchNorm, TakesWhatFollowsAsAPartOfTheCall) {
  const Tensor x = Tensor::from<float>({1, -3, 2, 7, 0, 5}, {3, 2}),
               r = Tensor::from<float>({1, 0, -2, 2, 3, -1}, {3, 2});
  BatchNorm1d apart(2), together(2);
  for (const bool training : {true, false}) {
    apart.train(training);
    together.train(training);
    EXPECT_EQ(bits(together(x, {.relu = true})), bits(relu(apart(x))));
    EXPECT_EQ(bits(together(x, {.residual = r})), bits(apart(x) + r));
    EXPECT_EQ(bits(together(x, {.residual = r, .relu = true})), bits(relu(apart(x) + r)));
    EXPECT_EQ(bits(together.running_mean), bits(apart.running_mean));
    EXPECT_EQ(bits(together.running_var), bits(apart.running_var));
  }
  Tensor seen;
  together.register_forward_hook([&](Module&, const Tensor&, const Tensor& y) {
    seen = y;
    return Tensor();
  });
  EXPECT_TRUE(together(x, {.relu = true}).is_same(seen));
}

TEST(BatchNorm, RefusesTheSameResidualsInTrainingAndInEvaluation) {
  BatchNorm2d bn(2);
  const Tensor x = kernels::ones({2, 2, 1, 3});
  for (const bool training : {true, false}) {
    bn.train(training);
    EXPECT_EQ(message_of<ShapeError>([&] {
                bn(x, {.residual = kernels::ones({2, 2, 4, 3})});
              }),
              "[BatchNorm2d] expected a residual of shape (2, 2, 1, 3), got (2, 2, 4, 3)");
    EXPECT_EQ(message_of<DtypeError>([&] {
                bn(x, {.residual = kernels::ones({2, 2, 1, 3}, DType::f64)});
              }),
              "[BatchNorm2d] expected a residual of dtype f32, got f64");
  }
}

TEST(Dropout, DrawsFromTheAddressOfTheStep) {
  Sequential net(Dropout(0.5), Dropout(0.5));
  const Tensor x = kernels::ones({64});
  EXPECT_EQ(message_of<ConfigError>([&] { net(x); }),
            "[Dropout] expected a random key, got none (call set_random_key(key) on the root module)");
  net.set_random_key(7);
  const auto at_step = [&](std::uint64_t step) {
    net.set_step(step);
    return bits(net(x));
  };
  const std::string first = at_step(3);
  EXPECT_NE(at_step(4), first);
  EXPECT_EQ(at_step(3), first);  // whatever was drawn in between
  net.set_step(3);
  Dropout* second = dynamic_cast<Dropout*>(net.named_children()[1].module.get());
  const std::string draw0 = bits((*second)(x));
  EXPECT_NE(bits((*second)(x)), draw0);  // the next draw of the same step
  net.set_random_key(8);
  EXPECT_NE(at_step(3), first);
}

TEST(Dropout, KeepsTheMeanWhileTrainingAndEverythingInEvaluation) {
  Dropout drop(0.25);
  drop.set_random_key(1);
  const std::vector<double> y = values(drop(kernels::ones({10'000})));
  const auto zeros = static_cast<double>(std::count(y.begin(), y.end(), 0.0));
  EXPECT_NEAR(zeros / 10'000, 0.25, 0.02);
  EXPECT_NEAR(*std::max_element(y.begin(), y.end()), 1 / 0.75, 1e-6);
  drop.eval();
  EXPECT_EQ(values(drop(kernels::ones({3}))), (std::vector<double>{1, 1, 1}));
}

}  // namespace
}  // namespace hop::nn
