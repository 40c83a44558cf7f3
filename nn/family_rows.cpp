// The table of families, and how their hyperparameters become options of models.
#include <algorithm>

#include "autograd/ops.h"
#include "base/error.h"
#include "base/words.h"
#include "nn/detail/family_values.h"
#include "nn/families.h"
#include "nn/models.h"
#include "nn/unsupervised.h"

namespace hop::nn {
namespace {

using Made = std::shared_ptr<Module>;
using detail::count_of;

constexpr std::int64_t kSmall = 64;  // rows and columns of images that are small

bool is_small(const FamilyRequest& request) { return std::max(request.sample[1], request.sample[2]) <= kSmall; }

// "auto" looks at the size of the images.
bool has_small_stem(std::string_view family, const FamilyRequest& request) {
  static constexpr std::string_view kStems[] = {"auto", "small", "large"};
  const std::string stem = text_of(request.config, "stem", "auto");
  if (std::ranges::find(kStems, stem) == std::end(kStems)) {
    throw ConfigError("[" + std::string(family) + "] expected a stem, got \"" + stem + "\"" + hint(stem, kStems));
  }
  return stem == "auto" ? is_small(request) : stem == "small";
}

// ---- images

template <int Depth>
Made make_resnet(const FamilyRequest& request) {
  static const std::string kName = "resnet" + std::to_string(Depth);
  detail::check_image(kName, request, 1);
  models::ResNetOptions options = models::resnet_options(Depth);
  options.classes = request.classes;
  options.channels = request.sample[0];
  options.width = count_of(kName, request, "width", 64);
  options.small_images = has_small_stem(kName, request);
  return std::make_shared<models::ResNet>(options);
}

Made make_resnet20(const FamilyRequest& request) {
  detail::check_image("resnet20", request, 1);
  return std::make_shared<models::CifarResNet>(
      models::CifarResNetOptions{.blocks = count_of("resnet20", request, "blocks", 3),
                                 .classes = request.classes,
                                 .channels = request.sample[0],
                                 .width = count_of("resnet20", request, "width", 16)});
}

template <int Depth>
Made make_vgg(const FamilyRequest& request) {
  static const std::string kName = "vgg" + std::to_string(Depth);
  detail::check_image(kName, request, 32);
  const std::int64_t rows = request.sample[1] / 32, columns = request.sample[2] / 32;  // of the last image
  std::int64_t pool = 7;
  while (rows % pool != 0 || columns % pool != 0) --pool;
  return std::make_shared<models::VGG>(models::VGGOptions{.depth = Depth,
                                                          .batch_norm = flag_of(request.config, "batch_norm", false),
                                                          .classes = request.classes,
                                                          .channels = request.sample[0],
                                                          .width = count_of(kName, request, "width", 64),
                                                          .pool = pool,
                                                          .hidden = count_of(kName, request, "hidden", 4096),
                                                          .dropout = number_of(request.config, "dropout", 0.5)});
}

Made make_mobilenet_v2(const FamilyRequest& request) {
  detail::check_image("mobilenet_v2", request, 1);
  return std::make_shared<models::MobileNetV2>(
      models::MobileNetV2Options{.classes = request.classes,
                                 .channels = request.sample[0],
                                 .width = number_of(request.config, "width", 1),
                                 .small_images = has_small_stem("mobilenet_v2", request),
                                 .dropout = number_of(request.config, "dropout", 0.2)});
}

// The numbers to predict are those of a picture, one after the other.
class FlatUNet : public models::UNet {
 public:
  using UNet::UNet;
  Tensor forward(const Tensor& x) override { return flatten(UNet::forward(x), 1); }
};

Made make_unet(const FamilyRequest& request) {
  detail::check_image("unet", request, 16);
  const std::int64_t pixels = request.sample[1] * request.sample[2];
  if (request.classes % pixels != 0) {
    throw ConfigError("[unet] expected numbers to predict for each of " + std::to_string(pixels) + " pixels, got " +
                      std::to_string(request.classes));
  }
  return std::make_shared<FlatUNet>(models::UNetOptions{.channels = request.sample[0],
                                                        .classes = request.classes / pixels,
                                                        .width = count_of("unet", request, "width", 64)});
}

// Rows of any shape; the outputs of the request are those of labels, which it does not read.
class FlatVAE final : public models::VAE, public Unsupervised {
 public:
  using VAE::VAE;
  Tensor forward(const Tensor& x) override { return VAE::forward(flatten(x, 1)); }
  std::string_view loss_name() const override { return "elbo"; }
  Tensor loss(const Tensor& x) override {
    const Tensor flat = flatten(x, 1);
    return models::vae_loss(sample(flat), flat) / static_cast<double>(x.size(0));
  }
};

Made make_vae(const FamilyRequest& request) {
  detail::check_numbers("vae", request);
  return std::make_shared<FlatVAE>(models::VAEOptions{.inputs = request.sample.numel(),
                                                      .hidden = count_of("vae", request, "hidden", 400),
                                                      .latent = count_of("vae", request, "latent", 20)});
}

Made make_dcgan(const FamilyRequest& request) {
  detail::check_image("dcgan", request, 8);
  const std::int64_t rows = request.sample[1], columns = request.sample[2];
  if (rows != columns) {
    throw ConfigError("[dcgan] expected square images, got " + std::to_string(rows) + " x " + std::to_string(columns) +
                      "; cut or resize them before the import");
  }
  return std::make_shared<models::DCGAN>(models::DCGANOptions{.latent = count_of("dcgan", request, "latent", 100),
                                                              .width = count_of("dcgan", request, "width", 64),
                                                              .channels = request.sample[0],
                                                              .side = rows});
}

Made make_vit(const FamilyRequest& request) {
  detail::check_image("vit", request, 1);
  if (request.sample[1] != request.sample[2]) {
    throw ConfigError("[vit] expected square images, got " + request.sample.to_string());
  }
  const double dropout = number_of(request.config, "dropout", 0);
  return std::make_shared<models::ViT>(
      models::ViTOptions{.image_size = request.sample[1],
                         .patch_size = count_of("vit", request, "patch_size", is_small(request) ? 4 : 16),
                         .channels = request.sample[0],
                         .num_layers = count_of("vit", request, "num_layers", 12),
                         .num_heads = count_of("vit", request, "num_heads", 3),
                         .hidden_dim = count_of("vit", request, "hidden_dim", 192),
                         .mlp_dim = count_of("vit", request, "mlp_dim", 768),
                         .dropout = dropout,
                         .attention_dropout = dropout,
                         .classes = request.classes});
}

// ---- texts

Made make_gpt(const FamilyRequest& request) {
  detail::check_text("gpt", request);
  return std::make_shared<models::GPT>(models::GPTOptions{.vocab_size = request.classes,
                                                          .block_size = request.sample[0],
                                                          .n_layer = count_of("gpt", request, "n_layer", 6),
                                                          .n_head = count_of("gpt", request, "n_head", 6),
                                                          .n_embd = count_of("gpt", request, "n_embd", 384),
                                                          .dropout = number_of(request.config, "dropout", 0),
                                                          .last_only = true});
}

Made make_lstm_lm(const FamilyRequest& request) {
  detail::check_text("lstm_lm", request);
  return std::make_shared<models::LSTMLanguageModel>(
      models::LSTMLanguageModelOptions{.vocab_size = request.classes,
                                       .embedding = count_of("lstm_lm", request, "embedding", 200),
                                       .hidden = count_of("lstm_lm", request, "hidden", 200),
                                       .layers = count_of("lstm_lm", request, "layers", 2),
                                       .dropout = number_of(request.config, "dropout", 0.2),
                                       .tied = flag_of(request.config, "tied", false),
                                       .last_only = true});
}

Made make_bert(const FamilyRequest& request) {
  detail::check_text("bert", request);
  const std::int64_t words = integer_of(request.config, "vocab_size", 0);
  if (words < 0 || words > (1 << 24)) {
    throw ConfigError("[bert] expected a vocab_size of 0 (the number of outputs) to 16777216, got " +
                      std::to_string(words));
  }
  return std::make_shared<models::BertClassifier>(
      models::BertOptions{.vocab_size = words == 0 ? request.classes : words,
                          .hidden_size = count_of("bert", request, "hidden_size", 256),
                          .num_hidden_layers = count_of("bert", request, "num_hidden_layers", 4),
                          .num_attention_heads = count_of("bert", request, "num_attention_heads", 4),
                          .intermediate_size = count_of("bert", request, "intermediate_size", 1024),
                          .max_position_embeddings = request.sample[0],
                          .dropout = number_of(request.config, "dropout", 0.1),
                          .classes = request.classes});
}

// ---- tables

Made make_dlrm(const FamilyRequest& request) {
  detail::check_words("dlrm", request);
  return std::make_shared<models::DLRM>(
      models::DLRMOptions{.numbers = request.sample[0] - static_cast<std::int64_t>(request.words.size()),
                          .words = request.words,
                          .embedding = count_of("dlrm", request, "embedding", 16),
                          .bottom = detail::widths_of("dlrm", request, "bottom", "64"),
                          .top = detail::widths_of("dlrm", request, "top", "64"),
                          .outputs = request.classes});
}

Made make_tab_transformer(const FamilyRequest& request) {
  detail::check_words("tab_transformer", request);
  return std::make_shared<models::TabTransformer>(
      models::TabTransformerOptions{.numbers = request.sample[0] - static_cast<std::int64_t>(request.words.size()),
                                    .words = request.words,
                                    .embedding = count_of("tab_transformer", request, "embedding", 32),
                                    .heads = count_of("tab_transformer", request, "heads", 8),
                                    .layers = count_of("tab_transformer", request, "layers", 6),
                                    .hidden = detail::widths_of("tab_transformer", request, "hidden", "128 64"),
                                    .dropout = number_of(request.config, "dropout", 0.1),
                                    .outputs = request.classes});
}

// ---- the rows

using Settings = std::vector<std::pair<std::string_view, std::string>>;

FamilyRow resnet(std::string_view name, std::string_view doc, Made (*make)(const FamilyRequest&)) {
  return {name, doc, {{"width", "64"}, {"stem", "auto"}}, {"width"}, make};
}

FamilyRow vgg(std::string_view name, std::string_view doc, Made (*make)(const FamilyRequest&)) {
  const Settings settings = {{"width", "64"}, {"hidden", "4096"}, {"dropout", "0.5"}, {"batch_norm", "false"}};
  return {name, doc, settings, {"width", "hidden"}, make};
}

}  // namespace

std::span<const FamilyRow> families() {
  static const std::vector<FamilyRow> rows = {
      {"bert",
       "An encoder of texts, as BERT; `vocab_size = 0` is the number of outputs.",
       {{"hidden_size", "256"},
        {"num_hidden_layers", "4"},
        {"num_attention_heads", "4"},
        {"intermediate_size", "1024"},
        {"vocab_size", "0"},
        {"dropout", "0.1"}},
       {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"},
       make_bert},
      {"dcgan",
       "DCGAN, with loss = \"adversarial\" alone: square images of numbers from -1 to 1 ([data] scale). The generator "
       "draws noise at the model's random numbers.",
       {{"latent", "100"}, {"width", "64"}},
       {"latent", "width"},
       make_dcgan},
      {"dlrm",
       "Products of the vectors of words and numbers, for a table with categories = \"index\".",
       {{"embedding", "16"}, {"bottom", "64"}, {"top", "64"}},
       {"embedding", "bottom", "top"},
       make_dlrm},
      {"gpt",
       "GPT-2 with the layout of nanoGPT, for a text.",
       {{"n_layer", "6"}, {"n_head", "6"}, {"n_embd", "384"}, {"dropout", "0"}},
       {"n_layer", "n_head", "n_embd"},
       make_gpt},
      {"lenet", "LeCun's network with ReLU, for images of at least 16 x 16.", {}, {}, make_lenet},
      {"lstm_lm",
       "An embedding, an LSTM and a linear layer, for a text.",
       {{"embedding", "200"}, {"hidden", "200"}, {"layers", "2"}, {"dropout", "0.2"}, {"tied", "false"}},
       {"embedding", "hidden", "layers"},
       make_lstm_lm},
      {"mlp",
       "Linear layers; `hidden` is a width, which `depth` repeats, or widths: `\"128 64\"`.",
       {{"hidden", "128"}, {"depth", "1"}, {"dropout", "0"}, {"activation", "relu"}},
       {"hidden", "depth"},
       make_mlp},
      {"mobilenet_v2",
       "MobileNetV2; `width` is a factor.",
       {{"width", "1"}, {"stem", "auto"}, {"dropout", "0.2"}},
       {},
       make_mobilenet_v2},
      resnet("resnet18", "ResNet-18; a small `stem` is for images up to 64 x 64, which `auto` looks at.",
             make_resnet<18>),
      {"resnet20",
       "The ResNet-20 of CIFAR-10: three stages of three `blocks`.",
       {{"width", "16"}, {"blocks", "3"}},
       {"width", "blocks"},
       make_resnet20},
      resnet("resnet34", "ResNet-34.", make_resnet<34>),
      resnet("resnet50", "ResNet-50, of bottlenecks.", make_resnet<50>),
      {"tab_transformer",
       "A Transformer of the words of a row, for a table with categories = \"index\".",
       {{"embedding", "32"}, {"heads", "8"}, {"layers", "6"}, {"hidden", "128 64"}, {"dropout", "0.1"}},
       {"embedding", "heads", "layers", "hidden"},
       make_tab_transformer},
      {"unet", "U-Net, for numbers to predict of each pixel.", {{"width", "64"}}, {"width"}, make_unet},
      {"vae",
       "A variational autoencoder, with loss = \"elbo\" alone: rows of numbers from 0 to 1 ([data] scale), in which it "
       "draws `latent` variables at the model's random numbers.",
       {{"hidden", "400"}, {"latent", "20"}},
       {"hidden", "latent"},
       make_vae},
      vgg("vgg11", "VGG with 11 layers.", make_vgg<11>),
      vgg("vgg16", "VGG with 16 layers.", make_vgg<16>),
      {"vit",
       "A Vision Transformer (the sizes of ViT-Tiny), for square images; `patch_size` is 4 for images up to 64 x 64.",
       {{"patch_size", "16"},
        {"num_layers", "12"},
        {"num_heads", "3"},
        {"hidden_dim", "192"},
        {"mlp_dim", "768"},
        {"dropout", "0"}},
       {"patch_size", "num_layers", "num_heads", "hidden_dim", "mlp_dim"},
       make_vit},
  };
  return rows;
}

}  // namespace hop::nn
