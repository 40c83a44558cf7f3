// Ready models against PyTorch twins, in f64: the names and shapes of parameters, and the losses of five steps of SGD
// (golden/generate_models.py, golden/twins.py). Both sides make weights and batches of their names.
#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "autograd/graph.h"
#include "nn/clone.h"
#include "nn/loss.h"
#include "nn/models.h"
#include "nn/optim/sgd.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using namespace models;

constexpr DType kF64 = DType::f64;

const Safetensors& file() {
  static const Safetensors kFile = load_safetensors(source_directory() / "tests/nn/golden/models.safetensors");
  return kFile;
}

/// The names of tensors that were compared, for the test at the end.
std::set<std::string>& compared() {
  static std::set<std::string> names;
  return names;
}

// ---- numbers that are made of a name, as in generate_models.py

std::uint64_t hash_of(const std::string& name) {
  std::uint64_t h = 0xCBF29CE484222325;  // FNV-1a
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return h;
}

std::uint64_t bits_of(std::uint64_t hash, std::int64_t i) {
  std::uint64_t z = hash + static_cast<std::uint64_t>(i + 1) * 0x9E3779B97F4A7C15;  // SplitMix64
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

/// Numbers from -0.5 to 0.5.
Tensor number(const std::string& name, const Shape& shape) {
  const Tensor t = Tensor::empty(shape, kF64);
  const std::uint64_t hash = hash_of(name);
  for (std::int64_t i = 0; i < t.numel(); ++i)
    t.data<double>()[i] = static_cast<double>(bits_of(hash, i) >> 11) * 0x1p-53 - 0.5;
  return t;
}

Tensor index(const std::string& name, std::uint64_t below, const Shape& shape) {
  const Tensor t = Tensor::empty(shape, DType::i64);
  const std::uint64_t hash = hash_of(name);
  for (std::int64_t i = 0; i < t.numel(); ++i)
    t.data<std::int64_t>()[i] = static_cast<std::int64_t>(bits_of(hash, i) % below);
  return t;
}

void fill(Module& module) {
  const NoGradGuard no_grad;
  for (const NamedTensor& p : module.named_parameters()) {
    const Tensor values = number(p.name, p.tensor.shape());
    if (p.tensor.dim() >= 2) {
      const double fan = static_cast<double>(p.tensor.numel()) / static_cast<double>(p.tensor.size(0));
      copy_(p.tensor, values * std::sqrt(12 / fan));
    } else {
      copy_(p.tensor, values * 0.2 + (p.name.ends_with("weight") ? 1.0 : 0.0));
    }
  }
}

/// The names and shapes of all parameters, as the file's metadata has them.
std::string shapes(const Module& module) {
  std::vector<std::string> lines;
  for (const NamedTensor& p : module.named_parameters()) lines.push_back(p.name + " " + p.tensor.shape().to_string());
  std::ranges::sort(lines);
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

/// Fills the model and compares its names and shapes with those of the twin.
void prepare(const std::string& name, Module& module) {
  ASSERT_TRUE(file().metadata.contains(name)) << name;
  ASSERT_EQ(shapes(module), file().metadata.at(name));
  fill(module);
}

void expect_losses(const std::string& name, const std::vector<double>& losses) {
  compared().insert(name + ".losses");
  const auto found = std::ranges::find(file().tensors, name + ".losses", &NamedTensor::name);
  ASSERT_NE(found, file().tensors.end()) << name;
  expect_close(Tensor::from<double>(losses, {static_cast<std::int64_t>(losses.size())}), found->tensor, 1e-8, name);
}

/// Five steps of SGD with momentum. `loss` computes that of the model's batch.
void follow(const std::string& name, Module& module, const std::function<Tensor()>& loss, double lr = 0.05) {
  SCOPED_TRACE(name);
  prepare(name, module);
  if (::testing::Test::HasFatalFailure()) return;
  optim::SGD sgd(module.parameters(), {.lr = lr, .momentum = 0.9});
  std::vector<double> losses;
  for (int step = 0; step < 5; ++step) {
    sgd.zero_grad();
    const Tensor value = loss();
    backward(value);
    sgd.step();
    losses.push_back(value.item<double>());
  }
  expect_losses(name, losses);
}

void images(const std::string& name, Module& module, std::int64_t size, double lr = 0.05) {
  const Tensor x = number(name + ".x", {4, 3, size, size}) * 4.0, y = index(name + ".y", 5, {4});
  follow(
      name, module, [&] { return cross_entropy(module(x), y); }, lr);
}

void texts(const std::string& name, Module& module) {
  const Tensor x = index(name + ".x", 11, {3, 5}), y = index(name + ".y", 11, {15});
  follow(name, module, [&] { return cross_entropy(reshape(module(x), {15, 11}), y); });
}

/// `numbers` features, then an index of each category.
Tensor rows(const std::string& name, std::int64_t numbers, const std::vector<std::int64_t>& words) {
  std::vector<Tensor> columns = {number(name + ".numbers", {6, numbers}) * 4.0};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto below = static_cast<std::uint64_t>(words[i] + 1);
    columns.push_back(to(index(name + ".word" + std::to_string(i), below, {6, 1}), kF64));
  }
  return cat(columns, 1);
}

void pictures() {
  ResNet resnet18({.classes = 5, .width = 4, .small_images = true, .dtype = kF64});
  images("resnet18", resnet18, 32);
  ResNet bottleneck({.layers = {2, 1, 1, 1}, .bottleneck = true, .classes = 5, .width = 4, .dtype = kF64});
  images("resnet_bottleneck", bottleneck, 96, 0.01);
  CifarResNet resnet20({.classes = 5, .width = 4, .dtype = kF64});
  images("resnet20", resnet20, 16);
  VGG vgg11({.depth = 11, .classes = 5, .width = 2, .pool = 1, .hidden = 8, .dropout = 0, .dtype = kF64});
  images("vgg11", vgg11, 32);
  VGG vgg16(
      {.depth = 16, .batch_norm = true, .classes = 5, .width = 2, .pool = 2, .hidden = 8, .dropout = 0, .dtype = kF64});
  images("vgg16_bn", vgg16, 64);
  MobileNetV2 mobilenet({.classes = 5, .width = 0.25, .small_images = true, .dropout = 0, .dtype = kF64});
  images("mobilenet_v2", mobilenet, 32, 0.005);
  ViT vit({.image_size = 8,
           .patch_size = 4,
           .num_layers = 2,
           .num_heads = 2,
           .hidden_dim = 8,
           .mlp_dim = 16,
           .classes = 5,
           .dtype = kF64});
  images("vit", vit, 8);
}

void segmentation() {
  UNet unet({.classes = 3, .width = 2, .dtype = kF64});
  const Tensor x = number("unet.x", {2, 3, 34, 36}) * 4.0, y = index("unet.y", 3, {2, 34, 36});
  follow("unet", unet, [&] {
    return cross_entropy(reshape(permute(unet(x), {0, 2, 3, 1}), {2 * 34 * 36, 3}), reshape(y, {2 * 34 * 36}));
  });
}

void language() {
  const GPTOptions options{.vocab_size = 11, .block_size = 6, .n_layer = 2, .n_head = 2, .n_embd = 8, .dtype = kF64};
  GPT gpt(options);
  texts("gpt", gpt);
  GPTOptions other = options;
  other.n_layer = 1;
  other.n_head = 4;
  other.tanh_gelu = true;
  GPT gpt_tanh(other);
  texts("gpt_tanh", gpt_tanh);
  LSTMLanguageModel lstm({.vocab_size = 11, .embedding = 6, .hidden = 8, .layers = 2, .dropout = 0, .dtype = kF64});
  texts("lstm_lm", lstm);
  LSTMLanguageModel tied(
      {.vocab_size = 11, .embedding = 8, .hidden = 8, .layers = 1, .dropout = 0, .tied = true, .dtype = kF64});
  texts("lstm_lm_tied", tied);
}

void bert() {
  BertClassifier model({.vocab_size = 13,
                        .hidden_size = 8,
                        .num_hidden_layers = 2,
                        .num_attention_heads = 2,
                        .intermediate_size = 16,
                        .max_position_embeddings = 7,
                        .dropout = 0,
                        .classes = 4,
                        .dtype = kF64});
  const Tensor tokens = index("bert.x", 13, {3, 5}), types = index("bert.types", 2, {3, 5});
  const Tensor labels = index("bert.y", 4, {3}), lengths = Tensor::from<std::int64_t>({5, 3, 1}, {3, 1});
  const Tensor padding = kernels::ge(kernels::arange(5), lengths);
  follow("bert", model, [&] { return cross_entropy(model(tokens, {types, padding}), labels); });
}

void tables() {
  DLRM dlrm({.numbers = 3, .words = {4, 2, 6}, .embedding = 4, .bottom = {8}, .top = {8, 5}, .dtype = kF64});
  const Tensor x = rows("dlrm", 3, {4, 2, 6}), y = to(index("dlrm.y", 2, {6, 1}), kF64);
  follow("dlrm", dlrm, [&] { return BCEWithLogitsLoss{}(dlrm(x), y); });
  DLRM alone({.numbers = 0, .words = {4, 2}, .embedding = 4, .bottom = {}, .top = {}, .outputs = 3, .dtype = kF64});
  const Tensor x_words = rows("dlrm_words", 0, {4, 2}), y_words = index("dlrm_words.y", 3, {6});
  follow("dlrm_words", alone, [&] { return cross_entropy(alone(x_words), y_words); });
  TabTransformer tab({.numbers = 2,
                      .words = {3, 5},
                      .embedding = 8,
                      .heads = 2,
                      .layers = 2,
                      .hidden = {8},
                      .dropout = 0,
                      .outputs = 3,
                      .dtype = kF64});
  const Tensor x_tab = rows("tab_transformer", 2, {3, 5}), y_tab = index("tab_transformer.y", 3, {6});
  follow("tab_transformer", tab, [&] { return cross_entropy(tab(x_tab), y_tab); });
}

void autoencoder() {
  VAE vae({.inputs = 12, .hidden = 8, .latent = 3, .dtype = kF64});
  const Tensor x = number("vae.x", {4, 12}) + 0.5, noise = number("vae.noise", {4, 3}) * 3.0;
  follow(
      "vae", vae, [&] { return vae_loss(vae.sample(x, noise), x); }, 0.01);
}

void adversaries() {
  const DCGANOptions options{.latent = 4, .width = 2, .channels = 1, .dtype = kF64};
  DCGANGenerator generator(options);
  DCGANDiscriminator discriminator(options);
  prepare("dcgan_generator", generator);
  prepare("dcgan_discriminator", discriminator);
  const Tensor real = number("dcgan.x", {4, 1, 64, 64}) * 2.0, z = number("dcgan.z", {4, 4, 1, 1}) * 4.0;
  const Tensor ones = kernels::ones({4}, kF64), zeros = kernels::zeros({4}, kF64);
  optim::SGD of_generator(generator.parameters(), {.lr = 0.02});
  optim::SGD of_discriminator(discriminator.parameters(), {.lr = 0.02});
  const BCEWithLogitsLoss judged;
  std::vector<double> losses;
  for (int step = 0; step < 5; ++step) {
    const Tensor fake = generator(z);
    of_discriminator.zero_grad();
    const Tensor on_real = judged(discriminator(real), ones);
    const Tensor d_loss = on_real + judged(discriminator(fake.detach()), zeros);
    backward(d_loss);
    of_discriminator.step();
    of_generator.zero_grad();
    const Tensor g_loss = judged(discriminator(fake), ones);
    backward(g_loss);
    of_generator.step();
    losses.push_back(d_loss.item<double>());
    losses.push_back(g_loss.item<double>());
  }
  expect_losses("dcgan", losses);
}

void adversaries_in_one_step() {
  DCGAN gan({.latent = 3, .width = 2, .channels = 2, .side = 28, .dtype = kF64});
  const Tensor real = number("dcgan_both.x", {4, 2, 28, 28}) * 2.0, z = number("dcgan_both.z", {4, 3, 1, 1}) * 4.0;
  follow(
      "dcgan_both", gan, [&] { return gan.loss(real, z); }, 0.02);
}

TEST(GoldenModels, OfPicturesTrainAsInPyTorch) { pictures(); }
TEST(GoldenModels, OfSegmentationTrainAsInPyTorch) { segmentation(); }
TEST(GoldenModels, OfLanguageTrainAsInPyTorch) { language(); }
TEST(GoldenModels, BertTrainsAsInPyTorch) { bert(); }
TEST(GoldenModels, OfTablesTrainAsInPyTorch) { tables(); }
TEST(GoldenModels, TheAutoencoderTrainsAsInPyTorch) { autoencoder(); }
TEST(GoldenModels, GeneratorAndDiscriminatorTrainAsInPyTorch) { adversaries(); }

TEST(GoldenModels, BothNetworksOfDcganTrainInOneStepAsInPyTorch) { adversaries_in_one_step(); }

TEST(GoldenModels, EveryModelOfTheFileIsTested) {
  for (const auto group : {segmentation, language, bert, tables, autoencoder, adversaries, adversaries_in_one_step}) {
    group();
  }
  for (const char* name : {"resnet18", "resnet_bottleneck", "resnet20", "vgg11", "vgg16_bn", "mobilenet_v2", "vit"})
    compared().insert(std::string(name) + ".losses");  // of the first test, which takes seconds
  for (const NamedTensor& entry : file().tensors) EXPECT_TRUE(compared().contains(entry.name)) << entry.name;
}

// ---- weights of Hugging Face

TEST(GPT, LoadsTheWeightsOfHuggingFace) {
  const Safetensors theirs = load_safetensors(source_directory() / "tests/nn/golden/gpt2.safetensors");
  StateDict weights, bare;
  Tensor tokens, logits;
  for (const NamedTensor& entry : theirs.tensors) {
    if (entry.name == "gpt2.tokens") {
      tokens = entry.tensor;
    } else if (entry.name == "gpt2.logits") {
      logits = entry.tensor;
    } else {
      weights.push_back({"transformer." + entry.name, entry.tensor});
      bare.push_back(entry);
    }
  }
  for (const StateDict& state : {weights, bare}) {
    GPT gpt(
        {.vocab_size = 11, .block_size = 6, .n_layer = 2, .n_head = 2, .n_embd = 8, .tanh_gelu = true, .dtype = kF64});
    EXPECT_THROW(gpt.load_state_dict(state), StateError);
    gpt.load_state_dict(gpt_from_hugging_face(state));
    expect_close(gpt(tokens), logits, 1e-12);
    // The names of nanoGPT's own stay as they are.
    GPT again = clone(gpt);
    again.load_state_dict(gpt_from_hugging_face(gpt.state_dict()));
    EXPECT_EQ(bits(again(tokens)), bits(gpt(tokens)));
  }
  EXPECT_THROW(gpt_from_hugging_face({}), StateError);
}

}  // namespace
}  // namespace hop::nn
