// The families of layers of spec_table.h, a file each, and what their rows share. To add a layer: its row, in the file
// of its family, with the functions that the row names.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "nn/detail/spec_table.h"
#include "nn/options.h"

namespace hop::nn::detail {

std::span<const LayerKind> image_layers();
std::span<const LayerKind> dense_layers();
std::span<const LayerKind> normalization_layers();
std::span<const LayerKind> random_layers();
std::span<const LayerKind> activation_layers();
std::span<const LayerKind> token_layers();
std::span<const LayerKind> branched_layers();
std::span<const LayerKind> resizing_layers();
std::span<const LayerKind> sequence_layers();
std::span<const LayerKind> recurrent_layers();

[[noreturn]] void expected_shape(const std::string& what, const Shape& got);

// ---- shapes of one sample, unchanged

Shape same_shape(const Arguments& arguments, const Shape& sample);
/// Throws ShapeError unless it is (C, H, W).
Shape image_shape(const Arguments& arguments, const Shape& sample);
/// Throws ShapeError unless it is (n).
Shape vector_shape(const Arguments& arguments, const Shape& sample);
/// Throws ShapeError unless it is (C, L).
Shape sequence_shape(const Arguments& arguments, const Shape& sample);
/// Throws ShapeError unless it is (T, E).
Shape token_shape(const Arguments& arguments, const Shape& sample);
/// Throws ShapeError unless it has a last dimension.
Shape with_last(const Arguments& arguments, const Shape& sample);

// ---- a layer without attributes

template <class M>
AnyModule plain(const Arguments&, const Shape&) {
  return std::make_shared<M>();
}

template <class M>
std::string torch_plain(const Arguments&, const Shape&) {
  return "nn." + M().type_name() + "()";
}

// ---- numbers, and words of Python

inline double real(std::int64_t n) { return static_cast<double>(n); }
inline std::string python(bool value) { return value ? "True" : "False"; }
/// "3", or "(3, 5)".
inline std::string python_size(Size2d size) {
  return size.height == size.width ? std::to_string(size.height)
                                   : "(" + std::to_string(size.height) + ", " + std::to_string(size.width) + ")";
}

// ---- in ONNX

inline std::vector<std::int64_t> pair_of(Size2d size) { return {size.height, size.width}; }
/// Above, left, below, right.
inline std::vector<std::int64_t> around(Size2d padding) {
  return {padding.height, padding.width, padding.height, padding.width};
}
/// x (1 + erf(x / sqrt 2)) / 2.
OnnxValue onnx_gelu(OnnxModel& model, const OnnxValue& x);

/// The nodes of a layer that changes nothing in evaluation.
inline OnnxValue same_value(const OnnxLayer&, const OnnxValue& x) { return x; }

}  // namespace hop::nn::detail
