// An ONNX model while it is being written. Nodes and tensors become bytes of the file as soon as they are named, so
// that the weights are in memory once beside the module. The format: ONNX IR 8, operators 17 and, for words, ai.onnx.ml
// 3 (github.com/onnx/onnx, docs/IR.md): every onnxruntime since 1.12 (2022) reads it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace hop::nn::detail {

/// The types of elements, by their numbers in ONNX.
enum class OnnxType : std::int32_t {
  f32 = 1,
  u8 = 2,
  i32 = 6,
  i64 = 7,
  text = 8,
  boolean = 9,
  f16 = 10,
  f64 = 11,
  bf16 = 16
};
OnnxType onnx_type(DType dtype);

/// A value of the graph, by its name.
using OnnxValue = std::string;

struct OnnxAttribute {
  std::string_view name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>, std::vector<std::string>> value;
};

class OnnxModel {
 public:
  /// `bytes`: of all weights, so that the memory grows once.
  explicit OnnxModel(std::size_t bytes = 0);
  ~OnnxModel();
  OnnxModel(const OnnxModel&) = delete;
  OnnxModel& operator=(const OnnxModel&) = delete;

  /// What the graph takes and gives, (N, row..). A name that is taken gets a number: "age_2".
  OnnxValue input(std::string_view name, OnnxType type, const Shape& row);
  OnnxValue output(std::string_view name, OnnxType type, const Shape& row);
  const std::vector<OnnxValue>& inputs() const { return inputs_; }
  const std::vector<OnnxValue>& outputs() const { return outputs_; }

  /// The first result of a new node, under its own name or under that of an output. An input "" is one that is left
  /// out.
  OnnxValue node(std::string_view op, const std::vector<OnnxValue>& inputs,
                 const std::vector<OnnxAttribute>& attributes = {}, const OnnxValue& result = {});
  /// Throws ConfigError if the file would have more than 2 GiB with `bytes` more: no reader takes it. To be called
  /// before a large tensor is made.
  void expect_room(std::uint64_t bytes) const;
  /// A tensor with its values. Throws as expect_room().
  OnnxValue tensor(std::string_view name, const Tensor& tensor);
  OnnxValue texts(std::string_view name, std::span<const std::string> texts);  ///< (n)
  OnnxValue number(float value);                                               ///< ()
  OnnxValue integers(const std::vector<std::int64_t>& values);                 ///< (n)

  /// The file, once; `metadata` travels in it. Throws as expect_room().
  std::string finish(const std::map<std::string, std::string>& metadata);

 private:
  OnnxValue fresh(std::string_view name);

  struct Writer;
  std::unique_ptr<Writer> writer_;
  std::set<std::string, std::less<>> names_;
  std::vector<OnnxValue> inputs_, outputs_;
  bool has_words_ = false;  // a node of ai.onnx.ml
};

}  // namespace hop::nn::detail
