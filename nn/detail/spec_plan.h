// Parsed layers on their way to a model: checks, shapes, sizes and modules, for a whole spec and for a branch of a
// layer.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "nn/detail/spec_table.h"
#include "nn/spec.h"

namespace hop::nn::detail {

/// The row of a kind. Throws ConfigError that names the nearest one.
const LayerKind& kind_of(std::string_view name);
/// The row of a layer, whose values and number of branches are checked: a LayerSpec is plain data that any code may
/// have made. Throws ConfigError.
const LayerKind& checked_kind(const LayerSpec& layer);
/// What the functions of a layer's row read. It refers to `layer`.
inline Arguments arguments_of(const LayerSpec& layer, std::span<const std::int64_t> words = {}) {
  return Arguments(layer.values, words, &layer.branches);
}

/// Throws ConfigError: `WHERE layer 3 "linear ten": WHAT`.
[[noreturn]] void reject_layer(std::string_view where, std::size_t index, std::string_view text,
                               const std::string& what);

/// As plan_spec() and build_spec(). `where` begins the messages: "[spec]", or "in branch 0,".
SpecPlan plan_layers(std::span<const LayerSpec> layers, const data::Input& sample, const SpecLimits& limits,
                     std::string_view where);
Sequential build_layers(std::span<const LayerSpec> layers, const data::Input& sample, const SpecPlan& plan);

/// Branch i of a layer, for a sample of the layer's input.
SpecPlan plan_branch(const Arguments& arguments, std::size_t i, const Shape& sample);
Sequential build_branch(const Arguments& arguments, std::size_t i, const Shape& sample);

}  // namespace hop::nn::detail
