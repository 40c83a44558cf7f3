#include "nn/detail/onnx_model.h"

#include <limits>
#include <protozero/pbf_writer.hpp>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/version.h"
#include "kernels/copy.h"

namespace hop::nn::detail {
namespace {

using protozero::pbf_writer;

constexpr std::int64_t kIrVersion = 8, kOperators = 17, kWordOperators = 3;
constexpr std::string_view kWords = "ai.onnx.ml";
constexpr std::uint64_t kMostBytes = std::numeric_limits<std::int32_t>::max();  // of any message of protobuf

// The fields of ONNX's messages that a model of ours has, by their numbers in the format.
namespace model_field {
enum : std::uint32_t { ir_version = 1, producer_name = 2, producer_version = 3, graph = 7, opset = 8, metadata = 14 };
}
namespace opset_field {
enum : std::uint32_t { domain = 1, version = 2 };
}
namespace entry_field {
enum : std::uint32_t { key = 1, value = 2 };
}
namespace graph_field {
enum : std::uint32_t { node = 1, name = 2, tensor = 5, input = 11, output = 12 };
}
namespace node_field {
enum : std::uint32_t { input = 1, output = 2, name = 3, op = 4, attribute = 5, domain = 7 };
}
namespace attribute_field {
enum : std::uint32_t { name = 1, number = 2, integer = 3, text = 4, integers = 8, texts = 9, type = 20 };
}
namespace tensor_field {
enum : std::uint32_t { size = 1, type = 2, texts = 6, name = 8, bytes = 9 };
}
namespace value_field {
enum : std::uint32_t { name = 1, type = 2 };
}
namespace type_field {
enum : std::uint32_t { tensor = 1 };
}
namespace tensor_type_field {
enum : std::uint32_t { element = 1, shape = 2 };
}
namespace shape_field {
enum : std::uint32_t { size = 1 };
}
namespace size_field {
enum : std::uint32_t { value = 1, symbol = 2 };
}

// The value of an attribute, and the number of its kind in the format.
struct AttributeWriter {
  pbf_writer& to;

  void operator()(std::int64_t value) const {
    to.add_int64(attribute_field::integer, value);
    to.add_enum(attribute_field::type, 2);
  }
  void operator()(float value) const {
    to.add_float(attribute_field::number, value);
    to.add_enum(attribute_field::type, 1);
  }
  void operator()(const std::string& text) const {
    to.add_bytes(attribute_field::text, text);
    to.add_enum(attribute_field::type, 3);
  }
  void operator()(const std::vector<std::int64_t>& values) const {
    for (const std::int64_t value : values) to.add_int64(attribute_field::integers, value);
    to.add_enum(attribute_field::type, 7);
  }
  void operator()(const std::vector<std::string>& texts) const {
    for (const std::string& text : texts) to.add_bytes(attribute_field::texts, text);
    to.add_enum(attribute_field::type, 8);
  }
};

std::string_view domain_of(std::string_view op) { return op == "LabelEncoder" ? kWords : std::string_view(); }

void add_operators(pbf_writer& model, std::string_view domain, std::int64_t version) {
  pbf_writer opset(model, model_field::opset);
  opset.add_string(opset_field::domain, domain.data(), domain.size());
  opset.add_int64(opset_field::version, version);
}

}  // namespace

OnnxType onnx_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return OnnxType::f64;
    case DType::i64:
      return OnnxType::i64;
    case DType::i32:
      return OnnxType::i32;
    case DType::u8:
      return OnnxType::u8;
    case DType::boolean:
      return OnnxType::boolean;
    case DType::bf16:
      return OnnxType::bf16;
    case DType::f16:
      return OnnxType::f16;
    case DType::f32:
      break;
  }
  return OnnxType::f32;
}

// The bytes of the file so far. The graph is open within the model until it is finished.
struct OnnxModel::Writer {
  std::string bytes;
  pbf_writer model{bytes}, graph;

  void check_size(std::uint64_t more) const {
    if (bytes.size() + more <= kMostBytes) return;
    throw ConfigError("[onnx] expected a model of at most 2 GiB, which is all that one ONNX file can have, got " +
                      std::to_string(bytes.size() + more) + " bytes: export it as .safetensors");
  }

  void declare(std::uint32_t field, const OnnxValue& value, OnnxType type, const Shape& row) {
    pbf_writer info(graph, field);
    info.add_string(value_field::name, value);
    pbf_writer any(info, value_field::type);
    pbf_writer tensor(any, type_field::tensor);
    tensor.add_enum(tensor_type_field::element, static_cast<std::int32_t>(type));
    pbf_writer shape(tensor, tensor_type_field::shape);
    pbf_writer(shape, shape_field::size).add_string(size_field::symbol, "N");
    for (const std::int64_t size : row) pbf_writer(shape, shape_field::size).add_int64(size_field::value, size);
  }
};

OnnxModel::OnnxModel(std::size_t bytes) : writer_(std::make_unique<Writer>()) {
  constexpr std::size_t kGraph = 1 << 16;  // nodes and names of a usual model
  writer_->check_size(bytes);
  writer_->bytes.reserve(bytes + kGraph);
  pbf_writer& model = writer_->model;
  model.add_int64(model_field::ir_version, kIrVersion);
  model.add_string(model_field::producer_name, "hopscotch");
  model.add_string(model_field::producer_version, kVersion);
  add_operators(model, "", kOperators);
  writer_->graph = pbf_writer(model, model_field::graph);
  writer_->graph.add_string(graph_field::name, "hopscotch");
}

OnnxModel::~OnnxModel() = default;

OnnxValue OnnxModel::fresh(std::string_view name) {
  std::string unique(name);
  for (int i = 2; !names_.insert(unique).second; ++i) unique = std::string(name) + "_" + std::to_string(i);
  return unique;
}

OnnxValue OnnxModel::input(std::string_view name, OnnxType type, const Shape& row) {
  inputs_.push_back(fresh(name));
  writer_->declare(graph_field::input, inputs_.back(), type, row);
  return inputs_.back();
}

OnnxValue OnnxModel::output(std::string_view name, OnnxType type, const Shape& row) {
  outputs_.push_back(fresh(name));
  writer_->declare(graph_field::output, outputs_.back(), type, row);
  return outputs_.back();
}

OnnxValue OnnxModel::node(std::string_view op, const std::vector<OnnxValue>& inputs,
                          const std::vector<OnnxAttribute>& attributes, const OnnxValue& result) {
  const OnnxValue value = result.empty() ? fresh(op) : result;
  const std::string_view domain = domain_of(op);
  has_words_ = has_words_ || domain == kWords;
  pbf_writer node(writer_->graph, graph_field::node);
  for (const OnnxValue& input : inputs) node.add_string(node_field::input, input);
  node.add_string(node_field::output, value);
  node.add_string(node_field::name, value);
  node.add_string(node_field::op, op.data(), op.size());
  if (!domain.empty()) node.add_string(node_field::domain, domain.data(), domain.size());
  for (const OnnxAttribute& attribute : attributes) {
    pbf_writer to(node, node_field::attribute);
    to.add_string(attribute_field::name, attribute.name.data(), attribute.name.size());
    std::visit(AttributeWriter{to}, attribute.value);
  }
  return value;
}

void OnnxModel::expect_room(std::uint64_t bytes) const { writer_->check_size(bytes); }

OnnxValue OnnxModel::tensor(std::string_view name, const Tensor& tensor) {
  const std::uint64_t size = static_cast<std::uint64_t>(tensor.numel()) * size_of(tensor.dtype());
  writer_->check_size(size);
  const OnnxValue value = fresh(name);
  const Tensor dense = kernels::contiguous(tensor);
  pbf_writer to(writer_->graph, graph_field::tensor);
  for (const std::int64_t n : dense.shape()) to.add_int64(tensor_field::size, n);
  to.add_enum(tensor_field::type, static_cast<std::int32_t>(onnx_type(dense.dtype())));
  to.add_string(tensor_field::name, value);
  const std::string_view bytes = as_text({dense.raw_data(), size});
  to.add_bytes(tensor_field::bytes, bytes.data(), bytes.size());
  return value;
}

OnnxValue OnnxModel::texts(std::string_view name, std::span<const std::string> texts) {
  const OnnxValue value = fresh(name);
  pbf_writer to(writer_->graph, graph_field::tensor);
  to.add_int64(tensor_field::size, static_cast<std::int64_t>(texts.size()));
  to.add_enum(tensor_field::type, static_cast<std::int32_t>(OnnxType::text));
  to.add_string(tensor_field::name, value);
  for (const std::string& text : texts) to.add_bytes(tensor_field::texts, text);
  return value;
}

OnnxValue OnnxModel::number(float value) { return tensor("number", Tensor::from({value}, {})); }

OnnxValue OnnxModel::integers(const std::vector<std::int64_t>& values) {
  return tensor("integers", Tensor::from(std::span(values), {static_cast<std::int64_t>(values.size())}));
}

std::string OnnxModel::finish(const std::map<std::string, std::string>& metadata) {
  writer_->graph.commit();
  if (has_words_) add_operators(writer_->model, kWords, kWordOperators);
  for (const auto& [key, value] : metadata) {
    pbf_writer entry(writer_->model, model_field::metadata);
    entry.add_string(entry_field::key, key);
    entry.add_string(entry_field::value, value);
  }
  writer_->check_size(0);
  return std::move(writer_->bytes);
}

}  // namespace hop::nn::detail
