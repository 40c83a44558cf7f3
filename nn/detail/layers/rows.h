// The families of layers of spec_table.h, a file each, and what their rows share. To add a layer: its row, in the file
// of its family, with the functions that the row names.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "nn/detail/spec_table.h"

namespace hop::nn::detail {

std::span<const LayerKind> image_layers();
std::span<const LayerKind> dense_layers();
std::span<const LayerKind> normalization_layers();
std::span<const LayerKind> random_layers();
std::span<const LayerKind> activation_layers();
std::span<const LayerKind> token_layers();
std::span<const LayerKind> branched_layers();

[[noreturn]] void expected_shape(const std::string& what, const Shape& got);

// ---- shapes of one sample, unchanged

Shape same_shape(const Arguments& arguments, const Shape& sample);
/// Throws ShapeError unless it is (C, H, W).
Shape image_shape(const Arguments& arguments, const Shape& sample);
/// Throws ShapeError unless it is (n).
Shape vector_shape(const Arguments& arguments, const Shape& sample);
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

/// The nodes of a layer that changes nothing in evaluation.
inline OnnxValue same_value(const OnnxLayer&, const OnnxValue& x) { return x; }

}  // namespace hop::nn::detail
