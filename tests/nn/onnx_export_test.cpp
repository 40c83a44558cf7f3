// The bytes of an ONNX model, judged by a reader of protobuf that knows nothing of the writer, and by the numbers of
// the format. tests/cli/onnx_test.cpp runs such models in onnxruntime.
#include "nn/onnx_export.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "nn/detail/onnx_layers.h"
#include "nn/detail/onnx_model.h"
#include "nn/init.h"
#include "nn/predictor_file.h"
#include "tensor/allocator.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A message of protobuf: (number of the field, value) in the order of the bytes.
struct Field {
  std::uint64_t tag = 0, number = 0;
  std::string bytes = {};
};

class Message {
 public:
  explicit Message(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::uint64_t key = varint(bytes);
      Field field{.tag = key >> 3};
      if ((key & 7) == 0) {
        field.number = varint(bytes);
      } else {
        const std::uint64_t size = (key & 7) == 2 ? varint(bytes) : (key & 7) == 5 ? 4 : 8;
        if (size > bytes.size()) throw StateError("a field that is longer than its message");
        field.bytes = bytes.substr(0, size);
        bytes.remove_prefix(size);
      }
      fields_.push_back(field);
    }
  }
  std::vector<Field> all(std::uint64_t tag) const {
    std::vector<Field> found;
    std::ranges::copy_if(fields_, std::back_inserter(found), [&](const Field& field) { return field.tag == tag; });
    return found;
  }
  Field one(std::uint64_t tag) const { return all(tag).at(0); }
  std::string text(std::uint64_t tag) const { return one(tag).bytes; }
  Message message(std::uint64_t tag) const { return Message(one(tag).bytes); }
  std::vector<Message> messages(std::uint64_t tag) const {
    std::vector<Message> found;
    for (const Field& field : all(tag)) found.emplace_back(field.bytes);
    return found;
  }

 private:
  static std::uint64_t varint(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      if (bytes.empty()) throw StateError("a number that does not end");
      const auto byte = static_cast<unsigned char>(bytes[0]);
      bytes.remove_prefix(1);
      value |= std::uint64_t{byte & 127U} << shift;
      if (byte < 128) return value;
    }
  }
  std::vector<Field> fields_;
};

constexpr std::uint64_t kGraph = 7, kNode = 1, kTensor = 5, kInput = 11, kOutput = 12;

Message graph_of(const OnnxFile& file) { return Message(file.bytes).message(kGraph); }

std::vector<std::string> operators(const Message& graph) {
  std::vector<std::string> names;
  for (const Message& node : graph.messages(kNode)) names.push_back(node.text(4));
  return names;
}

// "age 1 (N, 1)" of a ValueInfoProto.
std::string declared(const Message& value) {
  const Message tensor = value.message(2).message(1);
  std::string text = value.text(1) + " " + std::to_string(tensor.one(1).number) + " (";
  for (const Message& size : tensor.message(2).messages(1)) {
    text += text.back() == '(' ? "" : ", ";
    text += size.all(2).empty() ? std::to_string(size.one(1).number) : size.text(2);
  }
  return text + ")";
}

std::vector<std::string> declared(const Message& graph, std::uint64_t tag) {
  std::vector<std::string> texts;
  for (const Message& value : graph.messages(tag)) texts.push_back(declared(value));
  return texts;
}

std::map<std::string, std::string> metadata_in(const OnnxFile& file) {
  std::map<std::string, std::string> entries;
  for (const Message& entry : Message(file.bytes).messages(14)) entries[entry.text(1)] = entry.text(2);
  return entries;
}

const data::Target kClasses{.classes = 2, .class_names = {"no", "yes"}};
const data::TableColumn kLabel{.name = "y", .place = 9, .kind = data::ColumnKind::label};

Predictor of_table(std::vector<data::TableColumn> columns, const data::Target& target = kClasses) {
  const data::TableSchema table{std::move(columns)};
  const auto features = static_cast<std::int64_t>(table.features());
  const ModelDescription description{.layers = {"linear $outputs"}};
  const auto module = build_model(description, {features}, target.outputs());
  init_parameters(*module, 1);
  const data::RowSchema schema{
      .features = {"x", DType::f32, {features}}, .scale = data::Scale{}, .table = table, .target = target};
  return {module, schema, target.classes > 0 ? Output::Scores : Output::Plain, description};
}

data::TableColumn number(const std::string& name) { return {.name = name, .kind = data::ColumnKind::number}; }
data::TableColumn category(const std::string& name, std::vector<std::string> words) {
  return {.name = name, .kind = data::ColumnKind::category, .words = std::move(words)};
}

Predictor of_pictures(const ModelDescription& description, const Shape& sample = {1, 16, 16}) {
  const auto module = build_model(description, sample, 3);
  init_parameters(*module, 1);
  const data::RowSchema schema{
      .features = {"x", DType::u8, sample}, .scale = data::Scale{0, 1.0 / 255}, .table = {}, .target = {.classes = 3}};
  return {module, schema, Output::Scores, description};
}

// ---- the table of layers

TEST(OnnxLayers, EveryLayerOfASpecHasItsNodes) {
  for (const detail::LayerKind& kind : detail::layer_kinds()) EXPECT_NE(kind.nodes, nullptr) << kind.name;
}

TEST(OnnxLayers, NamesALayerThatOnnxDoesNotHave) {
  detail::LayerKind hypercube = detail::layer_kinds().front();
  hypercube.name = "hypercube";
  hypercube.nodes = nullptr;
  const std::vector<std::string> values;
  const detail::Arguments arguments(values);
  detail::OnnxModel model;
  const detail::OnnxLayer layer{model, arguments, {}, "0", {}};
  const std::string message = message_of<ConfigError>([&] { add_onnx_layer(hypercube, layer, "x"); });
  EXPECT_THAT(message, AllOf(HasSubstr("\"hypercube\""), HasSubstr(".safetensors")));
}

// ---- the model

TEST(OnnxExport, HasTheWeightsUnderTheirNames) {
  for (const ModelDescription& description :
       {ModelDescription{.family = "lenet"},
        ModelDescription{.layers = {"conv2d 4 3", "batchnorm2d", "groupnorm 2", "flatten", "layernorm", "linear 3"}},
        ModelDescription{.layers = {"conv2d 4 3", "batchnorm2d bias=false momentum=none", "groupnorm 2 bias=false",
                                    "flatten", "layernorm bias=false", "linear 3"}}}) {
    const Predictor predictor = of_pictures(description);
    std::map<std::string, Message> tensors;
    const Message graph = graph_of(encode_onnx(predictor));
    for (const Message& tensor : graph.messages(kTensor)) tensors.emplace(tensor.text(8), tensor);
    for (const NamedTensor& entry : predictor.module().state_dict()) {
      if (entry.tensor.dtype() == DType::i64) continue;  // num_batches_tracked
      ASSERT_TRUE(tensors.contains(entry.name)) << entry.name;
      const Message& tensor = tensors.at(entry.name);
      EXPECT_EQ(tensor.text(9), bits(entry.tensor)) << entry.name;
      Shape shape;
      for (const Field& size : tensor.all(1)) shape.push_back(static_cast<std::int64_t>(size.number));
      EXPECT_EQ(shape, entry.tensor.shape()) << entry.name;
    }
  }
}

TEST(OnnxExport, TakesNumbersAsOneMatrixAndOtherTablesByColumn) {
  const Message numbers = graph_of(encode_onnx(of_table({number("a"), kLabel, number("b")})));
  EXPECT_THAT(declared(numbers, kInput), ElementsAre("rows 1 (N, 2)"));
  EXPECT_THAT(declared(numbers, kOutput), ElementsAre("label 8 (N)", "probabilities 1 (N, 2)"));
  const OnnxFile file = encode_onnx(of_table({number("a"), kLabel, category("city", {"Bonn", "Kiel"}), number("")}));
  EXPECT_THAT(declared(graph_of(file), kInput), ElementsAre("a 1 (N, 1)", "city 8 (N, 1)", "column_0 1 (N, 1)"));
  EXPECT_THAT(file.inputs, ElementsAre("a", "city", "column_0"));
  EXPECT_THAT(file.outputs, ElementsAre("label", "probabilities"));
}

TEST(OnnxExport, TakesPicturesAsTheyAreStored) {
  const OnnxFile file = encode_onnx(of_pictures({.layers = {"flatten", "linear 3"}}));
  EXPECT_THAT(declared(graph_of(file), kInput), ElementsAre("images 2 (N, 1, 16, 16)"));
  EXPECT_THAT(declared(graph_of(file), kOutput), ElementsAre("label 7 (N)", "probabilities 1 (N, 3)"));
}

TEST(OnnxExport, AColumnGivesWayToAnOutputOfItsName) {
  const OnnxFile file = encode_onnx(of_table({number("label"), category("Relu", {"a", "b"}), number("label")}));
  EXPECT_THAT(file.inputs, ElementsAre("label_2", "Relu", "label_3"));
  EXPECT_THAT(file.outputs, ElementsAre("label", "probabilities"));
}

TEST(OnnxExport, ChecksNumbersAloneForRowsToRefuse) {
  EXPECT_THAT(operators(graph_of(encode_onnx(of_table({category("c", {"a", "b"})})))),
              Each(::testing::Ne("ReduceSum")));
  EXPECT_THAT(operators(graph_of(encode_onnx(of_pictures({.layers = {"flatten", "linear 3"}})))),
              Each(::testing::Ne("ReduceSum")));
  EXPECT_THAT(operators(graph_of(encode_onnx(of_table({number("a")})))), ::testing::Contains("ReduceSum"));
}

struct Keys {
  std::map<std::string, std::uint64_t> index = {};
  std::size_t count = 0;
};

// What the encoder of the only category takes for which index.
Keys keys_of(std::vector<std::string> words) {
  const Message graph = graph_of(encode_onnx(of_table({category("c", std::move(words))})));
  const std::vector<Message> nodes = graph.messages(kNode);
  const auto encoder = std::ranges::find_if(nodes, [](const Message& node) { return node.text(4) == "LabelEncoder"; });
  EXPECT_NE(encoder, nodes.end());
  if (encoder == nodes.end()) return {};
  EXPECT_EQ(encoder->text(7), "ai.onnx.ml");
  Keys keys;
  std::vector<std::uint64_t> values;
  for (const Message& attribute : encoder->messages(5)) {
    if (attribute.text(1) == "values_int64s") {
      for (const Field& value : attribute.all(8)) values.push_back(value.number);
    }
  }
  for (const Message& attribute : encoder->messages(5)) {
    for (const Field& key : attribute.all(9)) keys.index[key.bytes] = values.at(keys.count++);
  }
  EXPECT_EQ(keys.count, values.size());
  return keys;
}

// "" means a missing value: every spelling of it that a reader of CSV knows is the word, and 3.0 is 3.
TEST(OnnxExport, KnowsWordsInAllTheirSpellings) {
  std::map<std::string, std::uint64_t> index = keys_of({"", "03", "3", "NA?"}).index;
  for (const char* missing : {"", "NA", "na", "nA", "N/A", "NaN", "?", "Missing", "#n/a"})
    EXPECT_EQ(index[missing], 1U);
  EXPECT_EQ(index["03"], 2U);
  EXPECT_EQ(index["3"], 3U);
  EXPECT_EQ(index["3.0"], 3U);
  EXPECT_EQ(index["NA?"], 4U);
  EXPECT_FALSE(index.contains("03.0"));
}

// As RowEncoder, for words of an older import, which took fewer words for missing values.
TEST(OnnxExport, KnowsAWordOfTheTrainingRowsAsItStands) {
  Keys keys = keys_of({"", "<NA>"});
  EXPECT_EQ(keys.index["<NA>"], 2U);
  EXPECT_EQ(keys.index["NA"], 1U);
  EXPECT_EQ(keys.count, keys.index.size()) << "no key twice: a reader of the file may take either";
}

TEST(OnnxExport, CarriesTheMetadataOfTheOtherFile) {
  const Predictor predictor = of_table({number("a"), kLabel});
  std::map<std::string, std::string> expected = metadata_of(predictor);
  expected.erase("format");
  expected["config"] = "{\"lr\": 0.1}";
  const OnnxFile file = encode_onnx(predictor, {{"config", "{\"lr\": 0.1}"}});
  EXPECT_EQ(metadata_in(file), expected);
  EXPECT_TRUE(expected.contains("schema"));
  const Message model(file.bytes);
  EXPECT_EQ(model.one(1).number, 8U) << "of the format";
  EXPECT_EQ(model.text(2), "hopscotch");
  EXPECT_EQ(model.messages(8).size(), 1U) << "no words, so the basic operators alone";
}

TEST(OnnxExport, WritesTheSameBytesToAFile) {
  const ::hop::TemporaryFolder folder;
  const Predictor predictor = of_table({number("a"), category("c", {"x", "y"})});
  save_onnx(predictor, folder / "m.onnx", {{"id", "3"}});
  std::ifstream stream(folder / "m.onnx", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  EXPECT_EQ(bytes, encode_onnx(predictor, {{"id", "3"}}).bytes);
}

TEST(OnnxExport, RefusesAModelWhoseLayersNobodyKnows) {
  const Predictor known = of_table({number("a")});
  const auto module = build_model(known.description(), {1}, 2);
  const auto refusal = [&](const ModelDescription& description) {
    const Predictor predictor(module, known.schema(), Output::Scores, description);
    return message_of<ConfigError>([&] { encode_onnx(predictor); });
  };
  EXPECT_THAT(refusal({}), HasSubstr("without a description"));
  EXPECT_THAT(refusal({.family = "mine"}), HasSubstr("\"mine\""));
}

// ONNX models are protobuf messages, and no reader takes one of more than 2 GiB.
TEST(OnnxModel, RefusesMoreThanTwoGigabytesBeforeItCopiesThem) {
  detail::OnnxModel model;
  const Tensor large = kernels::zeros({1}).as_strided({std::int64_t{1} << 29}, {0}, 0);  // 2 GiB that take 4 bytes
  EXPECT_THAT(message_of<ConfigError>([&] { model.tensor("w", large); }),
              AllOf(HasSubstr("at most 2 GiB"), HasSubstr(".safetensors")));
  EXPECT_THROW(detail::OnnxModel(std::size_t{1} << 31), ConfigError);
}

// Means of windows and the mask of causal attention are matrices of their own, of 7 GB here.
TEST(OnnxExport, RefusesMoreThanTwoGigabytesBeforeItMakesTheirTensor) {
  const std::size_t before = ::hop::memory::active();
  ::hop::memory::reset_peak();
  const auto refusal = [](const ModelDescription& description, const Shape& sample) {
    const Predictor predictor = of_pictures(description, sample);
    return message_of<ConfigError>([&] { encode_onnx(predictor); });
  };
  EXPECT_THAT(refusal({.layers = {"adaptive_avg_pool1d 29999", "flatten", "linear 3"}}, {1, 60000}),
              HasSubstr("at most 2 GiB"));
  EXPECT_THAT(refusal({.layers = {"attention 1 causal=true", "flatten", "linear 3"}}, {42000, 1}),
              HasSubstr("at most 2 GiB"));
  EXPECT_LT(::hop::memory::peak() - before, std::size_t{256} << 20);
}

std::vector<std::vector<std::uint64_t>> windows_in(const OnnxFile& file) {
  std::vector<std::vector<std::uint64_t>> all;
  for (const Message& node : graph_of(file).messages(kNode)) {
    if (node.text(4) != "AveragePool") continue;
    for (const Message& attribute : node.messages(5)) {
      std::vector<std::uint64_t>& window = all.emplace_back();
      for (const Field& size : attribute.all(8)) window.push_back(size.number);
    }
  }
  return all;
}

// tests/cli/onnx_test.cpp has the values.
TEST(OnnxExport, PoolsWindowsOfOneSizeWithoutAMatrix) {
  const OnnxFile sequence =
      encode_onnx(of_pictures({.layers = {"adaptive_avg_pool1d 30000", "flatten", "linear 3"}}, {1, 60000}));
  EXPECT_THAT(windows_in(sequence), ElementsAre(ElementsAre(2), ElementsAre(2)));  // kernel_shape, strides
  EXPECT_LT(sequence.bytes.size(), std::size_t{1} << 20);
  const OnnxFile image = encode_onnx(of_pictures({.layers = {"adaptive_avg_pool2d 4x2", "flatten", "linear 3"}}));
  EXPECT_THAT(windows_in(image),
              ElementsAre(ElementsAre(4, 1), ElementsAre(4, 1), ElementsAre(1, 8), ElementsAre(1, 8)));
  EXPECT_THAT(
      operators(graph_of(encode_onnx(of_pictures({.layers = {"adaptive_avg_pool2d 3x2", "flatten", "linear 3"}})))),
      ::testing::Contains("MatMul"));
}

}  // namespace
}  // namespace hop::nn
