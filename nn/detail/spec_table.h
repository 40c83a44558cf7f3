// The layers that a spec may name: one row each, with its attributes, its shape rule, its number of elements, its
// builder, and its forms in PyTorch and in ONNX.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autograd/pad.h"
#include "data/input.h"
#include "nn/module.h"
#include "nn/options.h"
#include "tensor/shape.h"

namespace hop::nn {
struct LayerSpec;
}

namespace hop::nn::detail {

enum class AttributeType : std::uint8_t { integer, number, numbers, size, padding, flag, word };

/// No attribute is larger: products of two cannot overflow.
inline constexpr double kUnlimited = 1e9;

struct Attribute {
  std::string_view name;
  AttributeType type;
  std::string_view fallback;  ///< empty: the attribute is required
  double min = 0;
  double below = kUnlimited;
  bool positional = false;                       ///< written without its name in canonical text
  std::span<const std::string_view> words = {};  ///< those that a word may be
  bool optional = false;                         ///< may be the word "none"
};

using Branches = std::vector<std::vector<LayerSpec>>;

/// The checked values of one layer, in the order of its attributes, the words of the categories that it gets, and its
/// branches.
class Arguments {
 public:
  explicit Arguments(const std::vector<std::string>& values, std::span<const std::int64_t> words = {},
                     const Branches* branches = nullptr)
      : values_(values), words_(words), branches_(branches) {}
  std::int64_t integer(std::size_t i) const;
  double number(std::size_t i) const;
  std::optional<std::int64_t> optional_integer(std::size_t i) const;  ///< of an optional attribute
  std::optional<double> optional_number(std::size_t i) const;
  std::vector<double> numbers(std::size_t i) const;  ///< at least one
  Size2d size(std::size_t i) const;
  Padding2d padding(std::size_t i) const;     ///< a size, or "same"
  PadMode padding_mode(std::size_t i) const;  ///< "zeros", "reflect", "replicate", "circular"
  bool flag(std::size_t i) const { return values_[i] == "true"; }
  const std::string& text(std::size_t i) const { return values_[i]; }
  std::span<const std::int64_t> words() const { return words_; }
  /// Of a layer that has some.
  const Branches& branches() const { return *branches_; }

 private:
  const std::vector<std::string>& values_;
  std::span<const std::int64_t> words_;
  const Branches* branches_;
};

/// The words that a layer gets: data::Input::words for the first one, none for others.
inline std::span<const std::int64_t> words_for(std::size_t layer, const data::Input& sample) {
  return layer == 0 ? std::span<const std::int64_t>(sample.words) : std::span<const std::int64_t>();
}

class OnnxModel;                // onnx_model.h
struct OnnxLayer;               // onnx_layers.h
using OnnxValue = std::string;  // as in onnx_model.h

struct LayerKind {
  std::string_view name;
  std::span<const Attribute> attributes;
  /// One sample's shape after the layer; throws ShapeError or ConfigError.
  Shape (*shape)(const Arguments& arguments, const Shape& sample);
  /// Elements of parameters and buffers; a double, which cannot overflow. Null: none.
  double (*elements)(const Arguments& arguments, const Shape& sample);
  AnyModule (*build)(const Arguments& arguments, const Shape& sample);
  /// The same layer in PyTorch: "nn.Linear(16, 10)". Null: PyTorch has none.
  std::string (*torch)(const Arguments& arguments, const Shape& sample) = nullptr;
  /// The layer's nodes in ONNX: the value that they make of `x`. Null: ONNX has none.
  OnnxValue (*nodes)(const OnnxLayer& layer, const OnnxValue& x) = nullptr;
  bool takes_words = false;  ///< the layer reads indices of words; any other layer would take them for numbers
  std::size_t least_branches = 0, most_branches = 0;
};

std::span<const LayerKind> layer_kinds();
/// Null for an unknown name.
const LayerKind* find_layer_kind(std::string_view name);

/// The canonical text of a value; empty if `text` is not a valid value of the attribute.
std::string canonical_value(const Attribute& attribute, std::string_view text);
/// "a whole number of at least 1 and below 1e+09", for messages.
std::string expectation(const Attribute& attribute);

}  // namespace hop::nn::detail
