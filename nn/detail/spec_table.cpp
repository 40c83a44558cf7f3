// The table of layers with their shape rules.
#include "nn/detail/spec_table.h"

#include <array>

#include "base/error.h"
#include "kernels/conv.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;

[[noreturn]] void expected_shape(const std::string& what, const Shape& got) {
  throw ShapeError("expected " + what + ", got " + got.to_string());
}

// ---- shapes of one sample

Shape same(const Arguments&, const Shape& sample) { return sample; }

Shape image(const Arguments&, const Shape& sample) {
  if (sample.size() != 3) expected_shape("an image (C, H, W)", sample);
  return sample;
}

Shape vector(const Arguments&, const Shape& sample) {
  if (sample.size() != 1) expected_shape("a flat input (put \"flatten\" before it)", sample);
  return sample;
}

Shape flattened(const Arguments&, const Shape& sample) { return {sample.numel()}; }

Shape linear_shape(const Arguments& a, const Shape& sample) {
  vector(a, sample);
  return {a.integer(0)};
}

Conv2dOptions conv_options(const Arguments& a) {
  return {.stride = a.size(2), .padding = a.size(3), .dilation = a.size(4), .groups = a.integer(5), .bias = a.flag(6)};
}

Shape conv_shape(const Arguments& a, const Shape& sample) {
  image(a, sample);
  const Conv2dOptions o = conv_options(a);
  if (sample[0] % o.groups != 0 || a.integer(0) % o.groups != 0) {
    throw ShapeError("expected channels divisible by groups, got " + std::to_string(sample[0]) + " and " +
                     std::to_string(a.integer(0)) + " for " + std::to_string(o.groups) + " groups");
  }
  const Shape y = kernels::conv2d_shape({1, sample[0], sample[1], sample[2]},
                                        {a.integer(0), sample[0] / o.groups, a.size(1).height, a.size(1).width},
                                        {o.stride.array(), o.padding.array(), o.dilation.array(), o.groups});
  return {y[1], y[2], y[3]};
}

PoolOptions pool_options(const Arguments& a) {
  PoolOptions options{.padding = a.size(2)};
  if (a.size(1) != Size2d(0)) options.stride = a.size(1);
  return options;
}

Shape pool_shape(const Arguments& a, const Shape& sample) {
  image(a, sample);
  const auto [kernel, options] = std::pair(a.size(0), pool_options(a));
  const Size2d stride = options.stride.value_or(kernel), padding = options.padding;
  if (stride.height < 1 || stride.width < 1) throw ConfigError("expected strides of at least 1");
  if (2 * padding.height > kernel.height || 2 * padding.width > kernel.width) {
    throw ConfigError("expected padding of at most half the kernel");
  }
  const std::int64_t height = sample[1] + 2 * padding.height - kernel.height;
  const std::int64_t width = sample[2] + 2 * padding.width - kernel.width;
  if (height < 0 || width < 0) expected_shape("an image at least as large as the window", sample);
  return {sample[0], height / stride.height + 1, width / stride.width + 1};
}

Shape channels(const Arguments& a, const Shape& sample) { return {image(a, sample)[0]}; }

Shape embedded(const Arguments& a, const Shape& sample) {
  Shape y = sample;
  y.push_back(a.integer(1));
  return y;
}

Shape embedded_words(const Arguments& a, const Shape& sample) {
  const auto columns = static_cast<std::int64_t>(a.words().size());
  if (columns == 0) {
    throw ConfigError(
        "expected rows with categories as indices, as the first layer gets them, got none: write categories = "
        "\"index\" in [data], and say which columns are a \"category\"");
  }
  if (vector(a, sample)[0] < columns)
    expected_shape("a feature for each of " + std::to_string(columns) + " categories", sample);
  return {sample[0] - columns + columns * a.integer(0)};
}

Shape has_last(const Arguments&, const Shape& sample) {
  if (sample.empty()) expected_shape("at least one dimension", sample);
  return sample;
}

Shape grouped(const Arguments& a, const Shape& sample) {
  if (sample.empty() || sample[0] % a.integer(0) != 0)
    expected_shape("channels (C, ..) that " + std::to_string(a.integer(0)) + " groups divide", sample);
  return sample;
}

// ---- elements of parameters and buffers

double real(std::int64_t n) { return static_cast<double>(n); }

double linear_elements(const Arguments& a, const Shape& sample) {
  return real(a.integer(0)) * (real(sample[0]) + (a.flag(1) ? 1 : 0));
}

double conv_elements(const Arguments& a, const Shape& sample) {
  const double inputs = real(sample[0]) / real(a.integer(5)) * real(a.size(1).height) * real(a.size(1).width);
  return real(a.integer(0)) * (inputs + (a.flag(6) ? 1 : 0));
}

double batch_norm_elements(const Arguments&, const Shape& sample) { return 4 * real(sample[0]) + 2; }

double layer_norm_elements(const Arguments&, const Shape& sample) { return 2 * real(sample.back()); }

double group_norm_elements(const Arguments& a, const Shape& sample) { return a.flag(2) ? 2 * real(sample[0]) : 0; }

double embedding_elements(const Arguments& a, const Shape&) { return real(a.integer(0)) * real(a.integer(1)); }

double embed_elements(const Arguments& a, const Shape&) {
  double elements = 2 * (real(static_cast<std::int64_t>(a.words().size())) + 1);  // the buffer, each as large as two
  for (const std::int64_t words : a.words()) elements += (real(words) + 1) * real(a.integer(0));
  return elements;
}

// ---- modules

using Built = AnyModule;

template <class M>
Built plain(const Arguments&, const Shape&) {
  return std::make_shared<M>();
}

template <class M>
Built batch_norm(const Arguments& a, const Shape& sample) {
  return std::make_shared<M>(sample[0],
                             BatchNormOptions{.eps = a.number(0), .momentum = a.number(1), .affine = a.flag(2)});
}

template <class M>
Built pool(const Arguments& a, const Shape&) {
  return std::make_shared<M>(a.size(0), pool_options(a));
}

Built conv(const Arguments& a, const Shape& sample) {
  return std::make_shared<Conv2d>(sample[0], a.integer(0), a.size(1), conv_options(a));
}

Built linear_layer(const Arguments& a, const Shape& sample) {
  return std::make_shared<Linear>(sample[0], a.integer(0), LinearOptions{.bias = a.flag(1)});
}

Built layer_norm_layer(const Arguments& a, const Shape& sample) {
  return std::make_shared<LayerNorm>(Shape{sample.back()},
                                     LayerNormOptions{.eps = a.number(0), .elementwise_affine = a.flag(1)});
}

Built group_norm_layer(const Arguments& a, const Shape& sample) {
  return std::make_shared<GroupNorm>(a.integer(0), sample[0],
                                     GroupNormOptions{.eps = a.number(1), .affine = a.flag(2)});
}

Built embedding_layer(const Arguments& a, const Shape&) {
  return std::make_shared<Embedding>(a.integer(0), a.integer(1));
}

Built embed_layer(const Arguments& a, const Shape&) {
  return std::make_shared<CategoryEmbedding>(std::vector<std::int64_t>(a.words().begin(), a.words().end()),
                                             a.integer(0));
}

Built dropout_layer(const Arguments& a, const Shape&) { return std::make_shared<Dropout>(a.number(0)); }

Built random_crop_layer(const Arguments& a, const Shape&) { return std::make_shared<RandomCrop>(a.integer(0)); }

Built random_flip_layer(const Arguments& a, const Shape&) {
  return std::make_shared<RandomHorizontalFlip>(a.number(0));
}

Built leaky_relu_layer(const Arguments& a, const Shape&) { return std::make_shared<LeakyReLU>(a.number(0)); }

// ---- PyTorch

std::string python(bool value) { return value ? "True" : "False"; }
std::string python(Size2d size) {
  return size.height == size.width ? std::to_string(size.height)
                                   : "(" + std::to_string(size.height) + ", " + std::to_string(size.width) + ")";
}

std::string torch_conv(const Arguments& a, const Shape& sample) {
  return "nn.Conv2d(" + std::to_string(sample[0]) + ", " + a.text(0) + ", " + python(a.size(1)) +
         ", stride=" + python(a.size(2)) + ", padding=" + python(a.size(3)) + ", dilation=" + python(a.size(4)) +
         ", groups=" + a.text(5) + ", bias=" + python(a.flag(6)) + ")";
}

std::string torch_linear(const Arguments& a, const Shape& sample) {
  return "nn.Linear(" + std::to_string(sample[0]) + ", " + a.text(0) + ", bias=" + python(a.flag(1)) + ")";
}

std::string torch_embedding(const Arguments& a, const Shape&) {
  return "nn.Embedding(" + a.text(0) + ", " + a.text(1) + ")";
}

// A class of the script.
std::string torch_embed(const Arguments& a, const Shape&) {
  std::string words;
  for (const std::int64_t count : a.words()) words += (words.empty() ? "" : ", ") + std::to_string(count);
  return "Embed([" + words + "], " + a.text(0) + ")";
}

template <int Dims>
std::string torch_batch_norm(const Arguments& a, const Shape& sample) {
  return "nn.BatchNorm" + std::to_string(Dims) + "d(" + std::to_string(sample[0]) + ", eps=" + a.text(0) +
         ", momentum=" + a.text(1) + ", affine=" + python(a.flag(2)) + ")";
}

std::string torch_layer_norm(const Arguments& a, const Shape& sample) {
  return "nn.LayerNorm(" + std::to_string(sample.back()) + ", eps=" + a.text(0) +
         ", elementwise_affine=" + python(a.flag(1)) + ")";
}

std::string torch_group_norm(const Arguments& a, const Shape& sample) {
  return "nn.GroupNorm(" + a.text(0) + ", " + std::to_string(sample[0]) + ", eps=" + a.text(1) +
         ", affine=" + python(a.flag(2)) + ")";
}

std::string torch_dropout(const Arguments& a, const Shape&) { return "nn.Dropout(" + a.text(0) + ")"; }
std::string torch_leaky_relu(const Arguments& a, const Shape&) { return "nn.LeakyReLU(" + a.text(0) + ")"; }

// The identity in evaluation, which is what a script does.
std::string torch_identity(const Arguments&, const Shape&) { return "nn.Identity()"; }

template <char Kind>
std::string torch_pool(const Arguments& a, const Shape&) {
  const PoolOptions options = pool_options(a);
  return std::string(Kind == 'm' ? "nn.MaxPool2d(" : "nn.AvgPool2d(") + python(a.size(0)) +
         ", stride=" + python(options.stride.value_or(a.size(0))) + ", padding=" + python(options.padding) + ")";
}

std::string torch_global_pool(const Arguments&, const Shape&) {
  return "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())";
}

// A layer without attributes.
template <class M>
std::string torch_plain(const Arguments&, const Shape&) {
  return "nn." + M().type_name() + "()";
}

std::string torch_softmax(const Arguments&, const Shape&) { return "nn.Softmax(dim=-1)"; }

// ---- the table

constexpr Attribute kConv2d[] = {{"out_channels", integer, "", 1, kUnlimited, true},
                                 {"kernel_size", size, "", 1, 1e4, true},
                                 {"stride", size, "1", 1, 1e4},
                                 {"padding", size, "0", 0, 1e4},
                                 {"dilation", size, "1", 1, 1e4},
                                 {"groups", integer, "1", 1},
                                 {"bias", flag, "true"}};
constexpr Attribute kLinear[] = {{"out_features", integer, "", 1, kUnlimited, true}, {"bias", flag, "true"}};
constexpr Attribute kBatchNorm[] = {{"eps", number, "1e-05"}, {"momentum", number, "0.1"}, {"affine", flag, "true"}};
constexpr Attribute kLayerNorm[] = {{"eps", number, "1e-05"}, {"elementwise_affine", flag, "true"}};
constexpr Attribute kGroupNorm[] = {
    {"num_groups", integer, "", 1, kUnlimited, true}, {"eps", number, "1e-05"}, {"affine", flag, "true"}};
constexpr Attribute kEmbedding[] = {{"num_embeddings", integer, "", 1, kUnlimited, true},
                                    {"embedding_dim", integer, "", 1, kUnlimited, true}};
constexpr Attribute kEmbed[] = {{"embedding_dim", integer, "", 1, kUnlimited, true}};
constexpr Attribute kDropout[] = {{"p", number, "0.5", 0, 1, true}};
constexpr Attribute kRandomCrop[] = {{"padding", integer, "", 0, 1e4, true}};
constexpr Attribute kLeakyReLU[] = {{"negative_slope", number, "0.01", 0, kUnlimited, true}};
constexpr Attribute kPool[] = {{"kernel_size", size, "", 1, 1e4, true},
                               {"stride", size, "0", 0, 1e4},  // 0: equal to the kernel
                               {"padding", size, "0", 0, 1e4}};

constexpr std::array kKinds = {
    LayerKind{"conv2d", kConv2d, conv_shape, conv_elements, conv, torch_conv},
    LayerKind{"linear", kLinear, linear_shape, linear_elements, linear_layer, torch_linear},
    LayerKind{"embedding", kEmbedding, embedded, embedding_elements, embedding_layer, torch_embedding},
    LayerKind{"embed", kEmbed, embedded_words, embed_elements, embed_layer, torch_embed, /*takes_words=*/true},
    LayerKind{"batchnorm1d", kBatchNorm, vector, batch_norm_elements, batch_norm<BatchNorm1d>, torch_batch_norm<1>},
    LayerKind{"batchnorm2d", kBatchNorm, image, batch_norm_elements, batch_norm<BatchNorm2d>, torch_batch_norm<2>},
    LayerKind{"layernorm", kLayerNorm, has_last, layer_norm_elements, layer_norm_layer, torch_layer_norm},
    LayerKind{"groupnorm", kGroupNorm, grouped, group_norm_elements, group_norm_layer, torch_group_norm},
    LayerKind{"dropout", kDropout, same, nullptr, dropout_layer, torch_dropout},
    LayerKind{"flatten", {}, flattened, nullptr, plain<Flatten>, torch_plain<Flatten>},
    LayerKind{"identity", {}, same, nullptr, plain<Identity>, torch_plain<Identity>},
    LayerKind{"relu", {}, same, nullptr, plain<ReLU>, torch_plain<ReLU>},
    LayerKind{"leaky_relu", kLeakyReLU, same, nullptr, leaky_relu_layer, torch_leaky_relu},
    LayerKind{"sigmoid", {}, same, nullptr, plain<Sigmoid>, torch_plain<Sigmoid>},
    LayerKind{"tanh", {}, same, nullptr, plain<Tanh>, torch_plain<Tanh>},
    LayerKind{"gelu", {}, same, nullptr, plain<GELU>, torch_plain<GELU>},
    LayerKind{"silu", {}, same, nullptr, plain<SiLU>, torch_plain<SiLU>},
    LayerKind{"softmax", {}, has_last, nullptr, plain<Softmax>, torch_softmax},
    LayerKind{"max_pool2d", kPool, pool_shape, nullptr, pool<MaxPool2d>, torch_pool<'m'>},
    LayerKind{"avg_pool2d", kPool, pool_shape, nullptr, pool<AvgPool2d>, torch_pool<'a'>},
    LayerKind{"global_avg_pool2d", {}, channels, nullptr, plain<GlobalAvgPool2d>, torch_global_pool},
    LayerKind{"random_crop", kRandomCrop, image, nullptr, random_crop_layer, torch_identity},
    LayerKind{"random_horizontal_flip", kDropout, image, nullptr, random_flip_layer, torch_identity},
};

}  // namespace

std::span<const LayerKind> layer_kinds() { return kKinds; }

const LayerKind* find_layer_kind(std::string_view name) {
  for (const LayerKind& kind : kKinds) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

}  // namespace hop::nn::detail
