// The families that ship: each builds, answers in the shape that was asked for, reads the hyperparameters of its row,
// and says what it cannot take. (golden_models_test.cpp compares the models with PyTorch.)
#include "nn/families.h"

#include <algorithm>

#include "autograd/graph.h"
#include "nn/clone.h"
#include "nn/init.h"
#include "nn/models.h"
#include "nn/unsupervised.h"
#include "tests/nn/family_cases.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::HasSubstr;

TEST(Families, AnswerInTheShapeThatWasAskedFor) {
  std::vector<std::string_view> names;
  for (const FamilyRow& row : families()) names.push_back(row.name);
  EXPECT_TRUE(std::ranges::is_sorted(names));
  std::vector<std::string_view> tried;
  const std::vector<FamilyCase> all = family_cases();
  for (const FamilyCase& c : all) {
    SCOPED_TRACE(c.family);
    tried.push_back(c.family);
    const auto model = FamilyRegistry().find(c.family)(c.request);
    init_parameters(*model, 1);
    model->set_random_key(1);
    const Tensor y = (*model)(c.batch);
    EXPECT_EQ(y.shape(), (Shape{2, c.request.classes}));
    for (const double value : values(y)) ASSERT_TRUE(std::isfinite(value));
    auto* const own = dynamic_cast<Unsupervised*>(model.get());
    backward(own != nullptr ? own->loss(c.batch) : sum(y * y));
    for (const NamedTensor& p : model->named_parameters()) EXPECT_TRUE(p.tensor.grad().defined()) << p.name;
    const auto again = FamilyRegistry().find(c.family)(c.request);
    again->load_state_dict(model->state_dict());
    model->eval();
    again->eval();
    EXPECT_EQ(bits((*again)(c.batch)), bits((*model)(c.batch)));
  }
  EXPECT_EQ(tried, names);
}

TEST(DCGAN, TakesImagesOfItsSideAlone) {
  models::DCGAN gan({.latent = 3, .width = 2, .channels = 1, .side = 9});
  init_parameters(gan, 1);
  gan.set_random_key(1);
  EXPECT_EQ(gan(kernels::zeros({2, 1, 9, 9})).shape(), (Shape{2, 1}));
  for (const Shape& shape :
       {Shape{2, 1, 10, 10}, Shape{2, 1, 13, 13}, Shape{2, 1, 9, 10}, Shape{2, 2, 9, 9}, Shape{1, 9, 9}}) {
    const Tensor images = kernels::zeros(shape);
    const std::string expected = "[DCGAN] expected images (N, 1, 9, 9), got " + shape.to_string();
    EXPECT_EQ(message_of<ShapeError>([&] { gan(images); }), expected);
    EXPECT_EQ(message_of<ShapeError>([&] { gan.loss(images); }), expected);
    EXPECT_EQ(message_of<ShapeError>([&] { gan.loss(images, kernels::zeros({2, 3, 1, 1})); }), expected);
  }
}

// Each hyperparameter of a row is read: a value that is none is an error that names it.
TEST(Families, ReadTheHyperparametersOfTheirRows) {
  for (const FamilyCase& c : family_cases()) {
    const auto row = std::ranges::find(families(), c.family, &FamilyRow::name);
    for (const auto& [name, fallback] : row->settings) {
      FamilyRequest request = c.request;
      request.config[std::string(name)] = "wrong";
      EXPECT_THROW(row->make(request), ConfigError) << c.family << ": " << name;
    }
    for (const std::string_view name : row->integers) {
      EXPECT_NE(std::ranges::find(row->settings, name, &std::pair<std::string_view, std::string>::first),
                row->settings.end())
          << c.family << ": " << name;
      FamilyRequest request = c.request;
      request.config[std::string(name)] = "1.5";
      EXPECT_THROW(row->make(request), ConfigError) << c.family << ": " << name;
    }
  }
}

TEST(Families, SayWhatTheyCannotTake) {
  const auto error = [](const std::string& family, const FamilyRequest& request) {
    return message_of<ConfigError>([&] { FamilyRegistry().find(family)(request); });
  };
  EXPECT_EQ(error("resnet18", {{}, {784}, 10, {}}),
            "[resnet18] expected samples (C, H, W) of at least 1 x 1, got (784)");
  EXPECT_EQ(error("vgg16", {{}, {1, 28, 28}, 10, {}}),
            "[vgg16] expected samples (C, H, W) of at least 32 x 32, got (1, 28, 28)");
  EXPECT_EQ(error("vit", {{}, {1, 28, 32}, 10, {}}), "[vit] expected square images, got (1, 28, 32)");
  EXPECT_EQ(error("vit", {{{"patch_size", "5"}}, {1, 32, 32}, 10, {}}),
            "[vit] expected a patch_size that divides the image, got 5 for 32");
  EXPECT_EQ(error("gpt", {{}, {1, 28, 28}, 10, {}}),
            "[gpt] expected samples (T) of indices, as those of a text, got (1, 28, 28)");
  EXPECT_EQ(error("gpt", {{{"n_head", "5"}}, {8}, 10, {}}),
            "[gpt] expected an n_embd that n_head divides, got 384 for 5 heads");
  EXPECT_EQ(error("gpt", {{{"n_layer", "0"}}, {8}, 10, {}}), "[gpt] expected n_layer from 1 to 65536, got 0");
  EXPECT_THAT(error("dlrm", {{}, {4}, 2, {}}), HasSubstr("[dlrm] expected rows of a table with categories as indices"));
  EXPECT_EQ(error("unet", {{}, {1, 32, 32}, 1000, {}}),
            "[unet] expected numbers to predict for each of 1024 pixels, got 1000");
  EXPECT_EQ(error("resnet50", {{{"stem", "smal"}}, {1, 32, 32}, 10, {}}),
            "[resnet50] expected a stem, got \"smal\"; did you mean \"small\"?");
  EXPECT_EQ(error("lstm_lm", {{{"tied", "true"}, {"hidden", "4"}, {"embedding", "8"}}, {8}, 10, {}}),
            "[lstm_lm] expected an embedding of the size of the hidden layer, because the two ends are tied, got 8 and "
            "4");
  EXPECT_THAT(error("resnet18", {{}, {1, 32, 32}, 10, {3}}), HasSubstr("rows of numbers, got 1 categories"));
  EXPECT_THAT(error("bert", {{}, {8}, 0, {}}), HasSubstr("at least one class, got 0"));
}

TEST(FamilyRegistry, KnowsAllFamiliesAndNearNames) {
  EXPECT_EQ(FamilyRegistry().names().size(), families().size());
  EXPECT_THAT(message_of<ConfigError>([] { FamilyRegistry().find("resnet"); }),
              HasSubstr("did you mean \"resnet18\"?"));
  EXPECT_THAT(message_of<ConfigError>([] { FamilyRegistry().find("gpt2"); }), HasSubstr("did you mean \"gpt\"?"));
}

// ---- what the models do beside their families

TEST(Models, AreCloned) {
  models::GPT gpt({.vocab_size = 7, .block_size = 5, .n_layer = 2, .n_head = 2, .n_embd = 8});
  init_parameters(gpt, 1);
  const Tensor tokens = Tensor::from<std::int64_t>({0, 1, 2, 3, 4}, {1, 5});
  const std::string before = bits(gpt(tokens));
  models::GPT copy = clone(gpt);
  EXPECT_EQ(bits(copy(tokens)), before);
  EXPECT_TRUE(copy.lm_head.weight.is_same(copy.wte.weight));
  init_parameters(copy, 2);
  EXPECT_NE(bits(copy(tokens)), before);
  EXPECT_EQ(bits(gpt(tokens)), before);
  for (const FamilyCase& c : family_cases()) {
    if (c.family != "resnet18") continue;
    models::ResNet net({.classes = 3, .channels = 1, .width = 2, .small_images = true});
    init_parameters(net, 1);
    models::ResNet other = clone(net);
    EXPECT_EQ(bits(other(c.batch)), bits(net(c.batch)));
  }
}

TEST(GPT, StartsAsInNanoGPT) {
  models::GPT gpt({.vocab_size = 50, .block_size = 8, .n_layer = 8, .n_head = 2, .n_embd = 64});
  init_parameters(gpt, 1);
  const auto spread = [](const Tensor& t) { return std::sqrt(mean(t * t).item<double>()); };
  EXPECT_NEAR(spread(gpt.wte.weight), 0.02, 0.002);
  EXPECT_NEAR(spread(gpt.h[0].attn.c_attn.weight), 0.02, 0.002);
  EXPECT_NEAR(spread(gpt.h[0].mlp.c_proj.weight), 0.02 / 4, 0.0005);  // of 16 residual layers
  EXPECT_EQ(max(abs(gpt.h[0].mlp.c_proj.bias)).item<double>(), 0);
  EXPECT_THROW(gpt(kernels::zeros({1, 9}, DType::i64)), ShapeError);
  EXPECT_THROW(gpt(Tensor::from<std::int64_t>({50}, {1, 1})), IndexError);
}

TEST(GPT, SaysTheLastTokenAlone) {
  models::GPTOptions options{.vocab_size = 7, .block_size = 5, .n_layer = 1, .n_head = 2, .n_embd = 8};
  models::GPT all(options);
  init_parameters(all, 1);
  options.last_only = true;
  models::GPT last(options);
  last.load_state_dict(all.state_dict());
  const Tensor tokens = Tensor::from<std::int64_t>({0, 1, 2, 6, 5, 4}, {2, 3});
  expect_close(last(tokens), select(all(tokens), 1, 2), 1e-6);
}

// The calls of `dropout` in a step of `module`.
int calls_of(Module& module, Dropout& dropout, const Tensor& tokens) {
  int calls = 0;
  const std::uint64_t hook = dropout.register_forward_hook([&](Module&, const Tensor&, const Tensor&) {
    ++calls;
    return Tensor();
  });
  module(tokens);
  dropout.remove_hook(hook);
  return calls;
}

TEST(GPT, AsksForTheWeightsOfItsAttentionOnlyWhileItDropsSome) {
  const Tensor tokens = Tensor::from<std::int64_t>({0, 1, 2, 6, 5, 4}, {2, 3});
  for (const double p : {0.0, 0.5}) {
    models::GPT gpt({.vocab_size = 7, .block_size = 5, .n_layer = 1, .n_head = 2, .n_embd = 8, .dropout = p});
    init_parameters(gpt, 1);
    gpt.set_random_key(1);
    EXPECT_EQ(calls_of(gpt, gpt.h[0].attn.attn_dropout, tokens), p == 0 ? 0 : 1);
    gpt.eval();
    EXPECT_EQ(calls_of(gpt, gpt.h[0].attn.attn_dropout, tokens), 0);
  }
}

TEST(BertModel, AsksForTheWeightsOfItsAttentionOnlyWhileItDropsSome) {
  const Tensor tokens = zeros({1, 3}, DType::i64);
  for (const double p : {0.0, 0.5}) {
    models::BertModel model({.vocab_size = 5,
                             .hidden_size = 4,
                             .num_hidden_layers = 1,
                             .num_attention_heads = 2,
                             .intermediate_size = 4,
                             .max_position_embeddings = 3,
                             .dropout = p});
    init_parameters(model, 1);
    model.set_random_key(1);
    // The layer has one Dropout: behind both of its parts and, while it drops, on the weights.
    EXPECT_EQ(calls_of(model, model.layers[0].dropout, tokens), p == 0 ? 2 : 3);
    model.eval();
    EXPECT_EQ(calls_of(model, model.layers[0].dropout, tokens), 2);
  }
}

TEST(VAE, DrawsItsNoiseAtTheRandomAddress) {
  models::VAE vae({.inputs = 6, .hidden = 5, .latent = 2});
  init_parameters(vae, 1);
  const Tensor x = kernels::full({3, 6}, 0.5);
  EXPECT_THROW(vae.sample(x), ConfigError);
  vae.set_random_key(1);
  const Tensor first = vae.sample(x).logits, second = vae.sample(x).logits;
  EXPECT_NE(bits(first), bits(second));
  vae.set_step(0);
  EXPECT_EQ(bits(vae.sample(x).logits), bits(first));
  const Tensor y = vae(x);
  EXPECT_EQ(y.shape(), x.shape());
  EXPECT_LT(max(y).item<double>(), 1);
}

TEST(ResNetOptions, AreThoseOfTheDepth) {
  EXPECT_EQ(models::ResNet(models::resnet_options(18)).parameter_count(), 11'689'512);
  EXPECT_EQ(models::ResNet(models::resnet_options(50)).parameter_count(), 25'557'032);
  EXPECT_EQ(models::MobileNetV2({}).parameter_count(), 3'504'872);
  EXPECT_EQ(models::CifarResNet({}).parameter_count(), 269'722);
  EXPECT_THROW(models::resnet_options(20), ConfigError);
}

TEST(BertModel, RunsTheHooksOfALayerAlsoWithPadding) {
  models::BertModel model({.vocab_size = 5,
                           .hidden_size = 4,
                           .num_hidden_layers = 1,
                           .num_attention_heads = 2,
                           .intermediate_size = 4,
                           .max_position_embeddings = 3,
                           .dropout = 0});
  int calls = 0;
  model.layers[0].register_forward_hook([&](Module&, const Tensor&, const Tensor&) {
    ++calls;
    return Tensor();
  });
  const Tensor tokens = zeros({1, 3}, DType::i64);
  model(tokens);
  EXPECT_EQ(calls, 1);
  model(tokens, {.padding = zeros({1, 3}, DType::boolean)});
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace hop::nn
