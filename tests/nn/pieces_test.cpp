// Pieces that a model of one's own is made of: functions in a Sequential, lists of parameters, hooks before forward(),
// and what the convolutions say and print. (golden_pieces_test.cpp compares values with PyTorch.)
#include "autograd/graph.h"
#include "nn/clone.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;

TEST(Sequential, TakesFunctionsAsLayers) {
  Sequential net(
      Linear(2, 3), [](const Tensor& x) { return relu(x); }, Linear(3, 1));
  init_parameters(net, 1);
  Sequential twin(Linear(2, 3), ReLU(), Linear(3, 1));
  twin.load_state_dict(net.state_dict());
  const Tensor x = Tensor::from<float>({1, -2, 3, 4}, {2, 2});
  EXPECT_EQ(bits(net(x)), bits(twin(x)));
  EXPECT_THAT(names_of(net.state_dict()), ElementsAre("0.weight", "0.bias", "2.weight", "2.bias"));
  EXPECT_THAT(net.to_string(), ::testing::HasSubstr("(1): Lambda()"));
  Sequential copy = clone(net);
  EXPECT_EQ(bits(copy(x)), bits(net(x)));
}

struct Scales : Module {
  ParameterList scales = register_module("scales", ParameterList({kernels::ones({2}), kernels::full({}, 3)}));
  Tensor forward(const Tensor& x) override { return x * scales[0] + scales[1]; }
};

TEST(ParameterList, HoldsParametersByIndex) {
  Scales net;
  EXPECT_THAT(names_of(net.state_dict()), ElementsAre("scales.0", "scales.1"));
  init_parameters(net, 1);
  const Tensor x = Tensor::from<float>({1, 2}, {1, 2});
  EXPECT_THAT(values(net(x)), ElementsAre(4, 5));
  backward(sum(net(x)));
  EXPECT_THAT(values(net.scales[1].grad()), ElementsAre(2));
  Scales copy = clone(net);
  copy_(copy.scales[1].detach(), kernels::full({}, 0));
  EXPECT_THAT(values(copy(x)), ElementsAre(1, 2));
  EXPECT_THAT(values(net(x)), ElementsAre(4, 5));
  EXPECT_EQ(message_of<IndexError>([&] { net.scales[2]; }), "[ParameterList] expected an index below 2, got 2");
  EXPECT_EQ(ParameterList({}).size(), 0U);
}

// An assignment would leave the registry with a tensor that forward() does not read, so there is none.
TEST(Parameter, CannotBeAssigned) {
  static_assert(!std::is_assignable_v<Parameter&, const Parameter&>);
  static_assert(!std::is_assignable_v<Parameter&, Parameter&&>);
  static_assert(!std::is_assignable_v<Parameter&, const Tensor&>);
  static_assert(!std::is_assignable_v<Parameter&, Tensor&&>);
}

TEST(ForwardPreHook, ReplacesTheInputUntilRemoved) {
  Linear fc(2, 1);
  copy_(fc.weight.detach(), kernels::ones({1, 2}));
  copy_(fc.bias.detach(), kernels::zeros({1}));
  const Tensor x = Tensor::from<float>({1, 2}, {1, 2});
  std::vector<double> before, after;
  const auto doubled = fc.register_forward_pre_hook([&](Module&, const Tensor& input) {
    before = values(input);
    return input * 2;
  });
  fc.register_forward_pre_hook([](Module&, const Tensor&) { return Tensor(); });
  fc.register_forward_hook([&](Module&, const Tensor& input, const Tensor&) {
    after = values(input);
    return Tensor();
  });
  EXPECT_TRUE(fc.has_hooks());
  EXPECT_THAT(values(fc(x)), ElementsAre(6));
  EXPECT_THAT(before, ElementsAre(1, 2));
  EXPECT_THAT(after, ElementsAre(2, 4));
  EXPECT_THAT(values(fc(x, {.relu = true})), ElementsAre(6));  // a call of its own runs it, too
  Linear copy = clone(fc);
  EXPECT_THAT(values(copy(x)), ElementsAre(6));
  fc.remove_hook(doubled);
  EXPECT_THAT(values(fc(x)), ElementsAre(3));
}

TEST(ForwardPreHook, RunsWithinASequentialThatFuses) {
  Sequential net(Linear(1, 1), ReLU());
  copy_(net.named_parameters()[0].tensor.detach(), kernels::full({1, 1}, 1));
  copy_(net.named_parameters()[1].tensor.detach(), kernels::zeros({1}));
  const Tensor x = Tensor::from<float>({2}, {1, 1});
  EXPECT_THAT(values(net(x)), ElementsAre(2));
  net.named_children()[1].module->register_forward_pre_hook([](Module&, const Tensor& y) { return y - 3; });
  EXPECT_THAT(values(net(x)), ElementsAre(0));
}

TEST(ForwardPreHook, RunsForLayersThatTakeAState) {
  LSTM lstm(2, 3);
  GRUCell cell(2, 3);
  for (Module* m : std::initializer_list<Module*>{&lstm, &cell}) init_parameters(*m, 1);
  const Tensor x = kernels::ones({4, 1, 2}), row = kernels::ones({1, 2});
  const std::string plain = bits(lstm(kernels::zeros({4, 1, 2}), {}).output), step = bits(cell(row * 0, Tensor()));
  for (Module* m : std::initializer_list<Module*>{&lstm, &cell}) {
    m->register_forward_pre_hook([](Module&, const Tensor& input) { return input * 0; });
  }
  EXPECT_EQ(bits(lstm(x, {}).output), plain);
  EXPECT_EQ(bits(cell(row, Tensor())), step);
}

// A call that hands over its result cannot run what comes before it.
struct Old : Module {
  Tensor operator()(const Tensor& x, int n) { return with_hooks(x, x * n); }
};

TEST(ForwardPreHook, IsNotForgottenByACallThatCannotRunIt) {
  Old old;
  EXPECT_THAT(values(old(Tensor::from<float>({2}, {1}), 3)), ElementsAre(6));
  old.register_forward_pre_hook([](Module&, const Tensor&) { return Tensor(); });
  EXPECT_THROW(old(Tensor::from<float>({2}, {1}), 3), StateError);
}

TEST(Convolutions, PrintTheirOptions) {
  EXPECT_EQ(Conv2d(1, 2, 3, {.padding = kSame}).to_string(),
            "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=same)");
  EXPECT_EQ(Conv1d(1, 2, 3, {.padding = kSame}).to_string(),
            "Conv1d(1, 2, kernel_size=(3,), stride=(1,), padding=same)");
  EXPECT_EQ(
      ConvTranspose2d(4, 2, 3, {.stride = 2, .padding = 1, .output_padding = {1, 0}, .groups = 2}).to_string(),
      "ConvTranspose2d(4, 2, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), output_padding=(1, 0), groups=2)");
  EXPECT_EQ(ConvTranspose1d(4, 2, 3, {.bias = false, .dilation = 2}).to_string(),
            "ConvTranspose1d(4, 2, kernel_size=(3,), stride=(1,), dilation=(2,), bias=False)");
  EXPECT_EQ(LocalResponseNorm(2).to_string(), "LocalResponseNorm(2, alpha=1e-04, beta=0.75, k=1)");
}

TEST(Convolutions, SayWhatIsWrong) {
  EXPECT_EQ(message_of<ConfigError>([] { Conv2d(1, 2, 3, {.stride = 2, .padding = kSame}); }),
            "[Conv2d] expected a stride of 1 with padding = kSame, got another");
  EXPECT_THROW(Conv1d(1, 2, 3, {.stride = 2, .padding = kSame}), ConfigError);
  EXPECT_THROW(ConvTranspose2d(3, 2, 3, {.groups = 2}), ConfigError);
  EXPECT_THROW(ConvTranspose2d(2, 2, {0, 1}), ConfigError);
  EXPECT_THROW(ConvTranspose1d(2, 2, 0), ConfigError);
  EXPECT_EQ(message_of<ShapeError>([] {
              ConvTranspose1d(2, 2, 1)(kernels::ones({1, 3, 4}));
            }),
            "[ConvTranspose1d] expected (N, C, L) or (C, L) with 2 channels, got (1, 3, 4)");
  EXPECT_THROW(LocalResponseNorm(0), ConfigError);
  EXPECT_THROW(LocalResponseNorm(2)(kernels::ones({2, 3})), ShapeError);
  EXPECT_THROW(TransformerDecoder(TransformerDecoderLayer(4, 2), 0), ConfigError);
}

TEST(ConvTranspose2d, StartsAsInPyTorch) {
  ConvTranspose2d conv(4, 16, 2);
  init_parameters(conv, 1);
  const double bound = 1 / std::sqrt(16 * 4.0);  // PyTorch takes the second dimension for the inputs
  for (const Tensor& t : {Tensor(conv.weight), Tensor(conv.bias)}) {
    EXPECT_LE(max(abs(t)).item<double>(), bound);
    EXPECT_GT(max(abs(t)).item<double>(), bound / 2);
  }
}

}  // namespace
}  // namespace hop::nn
