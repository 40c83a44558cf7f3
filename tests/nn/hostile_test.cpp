// Modules, losses, optimizers and files against undefined tensors, empty ones, and numbers far outside.
#include <cmath>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "nn/optim/adam.h"
#include "nn/optim/sgd.h"
#include "nn/safetensors.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using testing::message_of;

const Tensor kUndefined;

TEST(UndefinedTensor, IsAnErrorOfEveryModuleThatNamesIt) {
  std::vector<std::shared_ptr<Module>> modules = {std::make_shared<Linear>(2, 2),
                                                  std::make_shared<Conv2d>(1, 1, 2),
                                                  std::make_shared<BatchNorm1d>(2),
                                                  std::make_shared<BatchNorm2d>(2),
                                                  std::make_shared<LayerNorm>(Shape{2}),
                                                  std::make_shared<Embedding>(2, 2),
                                                  std::make_shared<Flatten>(),
                                                  std::make_shared<Identity>(),
                                                  std::make_shared<GlobalAvgPool2d>(),
                                                  std::make_shared<MaxPool2d>(2),
                                                  std::make_shared<AvgPool2d>(2),
                                                  std::make_shared<ReLU>(),
                                                  std::make_shared<LeakyReLU>(),
                                                  std::make_shared<ELU>(),
                                                  std::make_shared<Sigmoid>(),
                                                  std::make_shared<Tanh>(),
                                                  std::make_shared<GELU>(),
                                                  std::make_shared<SiLU>(),
                                                  std::make_shared<Softmax>(),
                                                  std::make_shared<Dropout>(),
                                                  std::make_shared<LSTM>(2, 2),
                                                  std::make_shared<GRU>(2, 2),
                                                  std::make_shared<RNN>(2, 2),
                                                  std::make_shared<LSTMCell>(2, 2),
                                                  std::make_shared<GRUCell>(2, 2),
                                                  std::make_shared<RNNCell>(2, 2),
                                                  std::make_shared<MultiheadAttention>(2, 2),
                                                  std::make_shared<RMSNorm>(Shape{2}),
                                                  std::make_shared<InstanceNorm1d>(2),
                                                  std::make_shared<InstanceNorm2d>(2),
                                                  std::make_shared<Conv1d>(1, 1, 2),
                                                  std::make_shared<Conv3d>(1, 1, 2),
                                                  std::make_shared<ConvTranspose3d>(1, 1, 2),
                                                  std::make_shared<LPPool1d>(2, 2),
                                                  std::make_shared<EmbeddingBag>(2, 2),
                                                  std::make_shared<AdaptiveAvgPool2d>(2),
                                                  std::make_shared<Upsample>(2),
                                                  std::make_shared<PixelShuffle>(2),
                                                  std::make_shared<Dropout2d>(),
                                                  std::make_shared<AlphaDropout>(),
                                                  std::make_shared<LogSigmoid>(),
                                                  std::make_shared<Softsign>(),
                                                  std::make_shared<Hardsigmoid>(),
                                                  std::make_shared<Hardswish>(),
                                                  std::make_shared<Mish>(),
                                                  std::make_shared<SELU>(),
                                                  std::make_shared<ReLU6>(),
                                                  std::make_shared<Hardtanh>(),
                                                  std::make_shared<CELU>(),
                                                  std::make_shared<Softplus>(),
                                                  std::make_shared<PReLU>(),
                                                  std::make_shared<LogSoftmax>(),
                                                  std::make_shared<GLU>(),
                                                  std::make_shared<Sequential>(),
                                                  std::make_shared<Sequential>(ReLU(), ReLU())};
  for (const bool training : {true, false}) {
    for (const auto& module : modules) {
      module->train(training);
      EXPECT_EQ(message_of<Error>([&] { (*module)(kUndefined); }),
                "[" + module->type_name() + "] expected a tensor, got an undefined one");
    }
  }
  EXPECT_EQ(message_of<Error>([] { BatchNorm1d(2)(kUndefined, {.relu = true}); }),
            "[BatchNorm1d] expected a tensor, got an undefined one");
  // forward() itself is public, too.
  for (const auto& module : modules) {
    if (module->type_name() == "Identity" || module->type_name() == "Sequential" || module->type_name() == "Dropout")
      continue;  // these look at nothing
    EXPECT_NE(message_of<Error>([&] { module->forward(kUndefined); }).find("expected a tensor, got an undefined one"),
              std::string::npos)
        << module->type_name();
  }
}

TEST(UndefinedTensor, IsAnErrorOfWhatTakesStates) {
  const Tensor x = ones({2});
  const auto undefined = [](const std::string& text) {
    return text.find("undefined") != std::string::npos && text.front() == '[';
  };
  Linear linear(1, 1);
  EXPECT_TRUE(undefined(message_of<StateError>([&] { linear.load_state_dict({{"weight", {}}, {"bias", x}}); })));
  EXPECT_TRUE(undefined(message_of<StateError>([&] { encode_safetensors({{"a", x}, {"b", {}}}); })));
  EXPECT_TRUE(undefined(message_of<Error>([&] { optim::SGD({kUndefined}); })));
  EXPECT_TRUE(undefined(message_of<Error>([&] { optim::Adam({x, kUndefined}); })));
  EXPECT_TRUE(undefined(message_of<Error>([&] { init::kaiming_uniform_(kUndefined, {}); })));
  EXPECT_TRUE(undefined(message_of<Error>([&] { init::xavier_normal_(kUndefined, {}); })));
  EXPECT_TRUE(undefined(message_of<Error>([&] { init::constant_(kUndefined, 1); })));
  EXPECT_TRUE(undefined(message_of<Error>([&] { init::uniform_(kUndefined, {}); })));
  EXPECT_TRUE(undefined(message_of<Error>([&] { init::normal_(kUndefined, {}); })));
  EXPECT_TRUE(undefined(message_of<Error>([&] { CrossEntropyLoss()(ones({2, 2}), kUndefined); })));
  EXPECT_TRUE(undefined(message_of<Error>([&] { MSELoss()(kUndefined, x); })));
  CapturedFunction f([](std::span<const Tensor> t) { return std::vector{relu(t[0])}; });
  EXPECT_TRUE(undefined(message_of<Error>([&] { f({kUndefined}); })));
  struct Registers : Module {
    explicit Registers(bool parameter) {
      if (parameter)
        register_parameter("a", kUndefined);
      else
        register_buffer("a", kUndefined);
    }
  };
  for (const bool parameter : {true, false}) EXPECT_TRUE(undefined(message_of<Error>([&] { Registers m(parameter); })));
}

TEST(SizeOfALayer, WhoseProductOverflowsIsATypedError) {
  constexpr std::int64_t k40 = std::int64_t{1} << 40, k32 = std::int64_t{1} << 32;
  EXPECT_THROW(Embedding(k40, std::int64_t{1} << 22), ShapeError);
  EXPECT_THROW(Embedding(k32, k32), ShapeError);
  EXPECT_THROW(Linear(k40, k40), ShapeError);
  EXPECT_THROW(Linear(std::int64_t{1} << 58, 1), MemoryError);
  EXPECT_THROW(Conv2d(k32, k32, 3), ShapeError);
  EXPECT_THROW(Conv2d(1, 1, {k32, k32}), ShapeError);
  EXPECT_THROW(BatchNorm1d(std::int64_t{1} << 62), ShapeError);
  EXPECT_THROW(LayerNorm(Shape{k32, k32}), ShapeError);
}

TEST(NumberOfLayers, IsLimitedBeforeMemoryIsTaken) {
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  EXPECT_THROW(LSTM(1, 1, {.num_layers = kMany}), ConfigError);
  EXPECT_THROW(TransformerEncoder(TransformerEncoderLayer(2, 1, {.dim_feedforward = 2}), kMany), ConfigError);
  EXPECT_THROW(TransformerDecoder(TransformerDecoderLayer(2, 1, {.dim_feedforward = 2}), kMany), ConfigError);
}

TEST(PaddingOfTheSameSize, WhoseZerosOverflowIsATypedError) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_THROW(Conv2d(1, 1, 3, {.padding = kSame, .dilation = kMost}), ShapeError);
  EXPECT_THROW(Conv3d(1, 1, 3, {.padding = kSame, .dilation = kMost}), ShapeError);
  EXPECT_THROW(Conv1d(1, 1, 3, {.padding = kSame, .dilation = kMost}), ShapeError);
}

TEST(Optimizer, TakesNoRateAndNoDampeningThatIsNoNumberAndNoEmptyList) {
  const Tensor p = ones({1}, {.requires_grad = true});
  optim::SGD sgd({p}, {.lr = 0.1});
  for (const double lr : {std::nan(""), -5.0, std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(sgd.set_lr(lr), ConfigError) << lr;
    EXPECT_EQ(sgd.lr(), 0.1);
  }
  sgd.set_lr(0);
  EXPECT_THROW(optim::SGD({p}, {.lr = 0.1, .momentum = 0.9, .dampening = std::nan("")}), ConfigError);
  EXPECT_EQ(
      message_of<ConfigError>([] { optim::SGD(std::vector<Tensor>{}); }),
      "[optimizer] expected at least one parameter, got none; register the layers of a module by register_module()");
  EXPECT_THROW(optim::Adam(ReLU().parameters()), ConfigError);
}

TEST(Init, OfAWeightWithoutElementsDoesNothing) {
  for (const Shape& shape : {Shape{0, 3}, Shape{3, 0}, Shape{2, 3, 0}}) {
    const Tensor w = Tensor::empty(shape, DType::f32);
    EXPECT_NO_THROW(init::kaiming_uniform_(w, {}));
    EXPECT_NO_THROW(init::kaiming_normal_(w, {}));
    EXPECT_NO_THROW(init::xavier_uniform_(w, {}));
    EXPECT_NO_THROW(init::xavier_normal_(w, {}));
  }
  const Tensor w = ones({2});
  init::uniform_(w, {}, 3, 3);
  EXPECT_EQ(min(w).item<double>(), 3);
}

TEST(Dropout, OfEverythingTrainsOnZeros) {
  Dropout d(1);
  d.set_random_key(1);
  const Tensor x = ones({3}, {.requires_grad = true});
  backward(sum(d(x)));
  EXPECT_EQ(max(x.grad()).item<double>(), 0);
  EXPECT_THROW(Dropout(1.5), ConfigError);
}

TEST(BatchNorm, WithMomentumOneHasTheStatisticsOfTheLastBatch) {
  for (const bool image : {false, true}) {
    BatchNorm1d rows(1, {.momentum = 1});
    BatchNorm2d images(1, {.momentum = 1});
    BatchNorm& b = image ? static_cast<BatchNorm&>(images) : rows;
    init_parameters(b, 1);
    const Shape shape = image ? Shape{1, 1, 1, 2} : Shape{2, 1};
    b(Tensor::from<float>({1e8F, 1e8F + 8}, shape));
    EXPECT_EQ(b.running_mean.item<float>(), 1e8F);
    b(Tensor::from<float>({0.5F, 1.5F}, shape));
    EXPECT_EQ(b.running_mean.item<float>(), 1);
    EXPECT_EQ(b.running_var.item<float>(), 0.5F);
    b(Tensor::from<float>({1e-5F, -1e-5F}, shape));
    EXPECT_NEAR(b.running_var.item<double>(), 2e-10, 1e-16);
  }
}

TEST(BatchNorm, TracksAVarianceFarBelowEps) {
  BatchNorm1d b(1, {.eps = 1e-3});
  init_parameters(b, 1);
  for (int i = 0; i < 400; ++i) b(Tensor::from<float>({-1e-5F, 1e-5F, -1e-5F, 1e-5F}, {4, 1}));
  EXPECT_NEAR(b.running_var.item<double>(), 1e-10 * 4 / 3, 1e-15);
}

TEST(Module, FindsTheConversionOfTensorsBehindItsOwnTo) {
  struct Wide : Module {
    Tensor forward(const Tensor& x) override { return to(x, DType::f64); }
  };
  Wide wide;
  EXPECT_EQ(wide(ones({1})).dtype(), DType::f64);
  wide.to(Device::cpu());
}

TEST(Safetensors, ReadsBytesOtherThanZeroAsTrue) {
  std::vector<std::byte> bytes = encode_safetensors({{"b", Tensor::from<bool>({false, true, true, true}, {4})}});
  for (std::size_t i = 0; i < 4; ++i) bytes[bytes.size() - 4 + i] = std::byte(i == 3 ? 255 : i);
  const Tensor b = decode_safetensors(bytes, "here").tensors[0].tensor;
  EXPECT_EQ(sum(b).item<std::int64_t>(), 3);
  EXPECT_EQ(argmax(b).item<std::int64_t>(), 1);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(b.raw_data()[i], std::byte(i == 0 ? 0 : 1));
}

}  // namespace
}  // namespace hop::nn
