// Layers that join every feature with every other, and the tables of words before them.
#include "nn/detail/layers/rows.h"

#include "base/error.h"
#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;
using Integers = std::vector<std::int64_t>;

// ---- linear

// Of a row, or of each of its tokens (T, E).
Shape linear_shape(const Arguments& a, const Shape& sample) {
  if (sample.size() == 2) return {sample[0], a.integer(0)};
  vector_shape(a, sample);
  return {a.integer(0)};
}

double linear_elements(const Arguments& a, const Shape& sample) {
  return real(a.integer(0)) * (real(sample.back()) + (a.flag(1) ? 1 : 0));
}

AnyModule linear_layer(const Arguments& a, const Shape& sample) {
  return std::make_shared<Linear>(sample.back(), a.integer(0), LinearOptions{.bias = a.flag(1)});
}

std::string torch_linear(const Arguments& a, const Shape& sample) {
  return "nn.Linear(" + std::to_string(sample.back()) + ", " + a.text(0) + ", bias=" + python(a.flag(1)) + ")";
}

OnnxValue linear(const OnnxLayer& layer, const OnnxValue& x) {
  if (layer.sample.size() == 2) {  // Gemm takes matrices alone
    const OnnxValue turned = layer.model.node("Transpose", {layer.weight("weight")}, {{"perm", Integers{1, 0}}});
    const OnnxValue y = layer.model.node("MatMul", {x, turned});
    return layer.arguments.flag(1) ? layer.model.node("Add", {y, layer.weight("bias")}) : y;
  }
  std::vector<OnnxValue> inputs = {x, layer.weight("weight")};
  if (layer.arguments.flag(1)) inputs.push_back(layer.weight("bias"));
  return layer.model.node("Gemm", inputs, {{"transB", std::int64_t{1}}});
}

// ---- embedding: of a matrix of words

Shape embedded(const Arguments& a, const Shape& sample) {
  const std::int64_t words = a.integer(0), padding = a.optional_integer(2).value_or(0);
  if (padding < -words || padding >= words) {
    throw ConfigError("expected a padding_idx in " + std::to_string(-words) + ".." + std::to_string(words - 1) +
                      ", got " + std::to_string(padding));
  }
  Shape y = sample;
  y.push_back(a.integer(1));
  return y;
}

double embedding_elements(const Arguments& a, const Shape&) { return real(a.integer(0)) * real(a.integer(1)); }

AnyModule embedding_layer(const Arguments& a, const Shape&) {
  return std::make_shared<Embedding>(a.integer(0), a.integer(1),
                                     EmbeddingOptions{.padding_idx = a.optional_integer(2)});
}

// A class of the script.
std::string torch_embedding(const Arguments& a, const Shape&) {
  const std::string padding = a.optional_integer(2) ? ", padding_idx=" + a.text(2) : "";
  return "Lookup(" + a.text(0) + ", " + a.text(1) + padding + ")";
}

OnnxValue embedding(const OnnxLayer& layer, const OnnxValue& x) {
  const OnnxValue indices = layer.model.node("Cast", {x}, {{"to", static_cast<std::int64_t>(OnnxType::i64)}});
  return layer.model.node("Gather", {layer.weight("weight"), indices});
}

// ---- embed: of the categories in a row of a table

Shape embedded_words(const Arguments& a, const Shape& sample) {
  const auto columns = static_cast<std::int64_t>(a.words().size());
  if (columns == 0) {
    throw ConfigError(
        "expected rows with categories as indices, as the first layer gets them, got none: write categories = "
        "\"index\" in [data], and say which columns are a \"category\"");
  }
  if (vector_shape(a, sample)[0] < columns)
    expected_shape("a feature for each of " + std::to_string(columns) + " categories", sample);
  return {sample[0] - columns + columns * a.integer(0)};
}

double embed_elements(const Arguments& a, const Shape&) {
  double elements = 2 * (real(static_cast<std::int64_t>(a.words().size())) + 1);  // the buffer, each as large as two
  for (const std::int64_t words : a.words()) elements += (real(words) + 1) * real(a.integer(0));
  return elements;
}

AnyModule embed_layer(const Arguments& a, const Shape&) {
  return std::make_shared<CategoryEmbedding>(std::vector<std::int64_t>(a.words().begin(), a.words().end()),
                                             a.integer(0));
}

// A class of the script.
std::string torch_embed(const Arguments& a, const Shape&) {
  std::string words;
  for (const std::int64_t count : a.words()) words += (words.empty() ? "" : ", ") + std::to_string(count);
  return "Embed([" + words + "], " + a.text(0) + ")";
}

// The tables of all categories stand in one weight: an index and the row where its table begins give the row.
OnnxValue embed(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  const auto columns = static_cast<std::int64_t>(layer.arguments.words().size());
  const std::int64_t numbers = layer.sample[0] - columns;
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return model.node("Slice", {x, model.integers({begin}), model.integers({end}), model.integers({1})});
  };
  Integers begins;
  for (std::int64_t row = 0; const std::int64_t words : layer.arguments.words()) {
    begins.push_back(row);
    row += words + 1;
  }
  const OnnxValue indices =
      model.node("Cast", {part(numbers, layer.sample[0])}, {{"to", static_cast<std::int64_t>(OnnxType::i64)}});
  const OnnxValue rows = model.node("Add", {indices, model.integers(begins)});
  const OnnxValue vectors = model.node("Flatten", {model.node("Gather", {layer.weight("weight"), rows})});
  if (numbers == 0) return vectors;
  return model.node("Concat", {part(0, numbers), vectors}, {{"axis", std::int64_t{1}}});
}

// ---- flatten

Shape flattened(const Arguments&, const Shape& sample) { return {sample.numel()}; }

OnnxValue flatten(const OnnxLayer& layer, const OnnxValue& x) { return layer.model.node("Flatten", {x}); }

// ---- the rows

constexpr Attribute kLinear[] = {{"out_features", integer, "", 1, kUnlimited, true}, {"bias", flag, "true"}};
constexpr Attribute kEmbedding[] = {
    {"num_embeddings", integer, "", 1, kUnlimited, true},
    {"embedding_dim", integer, "", 1, kUnlimited, true},
    {.name = "padding_idx", .type = integer, .fallback = "none", .min = -kUnlimited, .optional = true}};
constexpr Attribute kEmbed[] = {{"embedding_dim", integer, "", 1, kUnlimited, true}};

constexpr std::array kRows = {
    LayerKind{"linear", kLinear, linear_shape, linear_elements, linear_layer, torch_linear, linear},
    LayerKind{"embedding", kEmbedding, embedded, embedding_elements, embedding_layer, torch_embedding, embedding},
    LayerKind{"embed", kEmbed, embedded_words, embed_elements, embed_layer, torch_embed, embed, /*takes_words=*/true},
    LayerKind{"flatten", {}, flattened, nullptr, plain<Flatten>, torch_plain<Flatten>, flatten},
    LayerKind{"identity", {}, same_shape, nullptr, plain<Identity>, torch_plain<Identity>, same_value},
};

}  // namespace

std::span<const LayerKind> dense_layers() { return kRows; }

}  // namespace hop::nn::detail
