// The declarative model: a list of layers with checked attributes, which builds without user code and travels as text.
//
//   conv2d 32 3 padding=1 | batchnorm2d | relu | max_pool2d 2 | flatten | dropout 0.3 | linear 10
//
// A layer is a name, positional values, then name=value. Sizes are a number or HxW. Input sizes are inferred from the
// sample. Layers count from 0, as in state_dict names. Some layers have branches, each a list of layers in braces:
//
//   residual { conv2d 64 3 padding=1; batchnorm2d; relu; conv2d 64 3 padding=1; batchnorm2d } { conv2d 64 1 }
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/input.h"
#include "nn/layers/sequential.h"
#include "tensor/shape.h"

namespace hop::nn {

/// Limits of a spec, checked before memory is allocated.
struct SpecLimits {
  std::size_t layers = 10'000;  ///< those of branches included
  std::uint64_t parameter_bytes = std::uint64_t{16} << 30;
};

/// One parsed layer: the kind's name, the text of each attribute, in the order of the kind's table, defaults filled in,
/// and the layers of each branch.
struct LayerSpec {
  std::string kind{};
  std::vector<std::string> values{};
  std::vector<std::vector<LayerSpec>> branches{};
  /// The shortest text that parses to this layer: "conv2d 32 3 padding=1".
  std::string to_text() const;
  bool operator==(const LayerSpec&) const = default;
};

/// Checks names, counts, types and ranges of all layers. Throws ConfigError: `[spec] layer 3 "linear ten": out_features
/// expects a whole number of at least 1, got "ten"`; an unknown layer or attribute names the nearest valid one.
std::vector<LayerSpec> parse_spec(std::span<const std::string> layers, const SpecLimits& limits = {});

/// The shape of one sample after each layer, and the bytes of all parameters and buffers. Making a plan allocates no
/// tensors.
struct SpecPlan {
  std::vector<Shape> shapes{};  ///< of one sample, without the batch dimension
  std::uint64_t parameter_bytes = 0;
};
/// Infers shapes from one sample ((1, 28, 28), or (16)). Throws ConfigError that names the layer for sizes that do not
/// fit, and for categories that the first layer would take for numbers.
SpecPlan plan_spec(std::span<const LayerSpec> layers, const data::Input& sample, const SpecLimits& limits = {});

/// The model: a Sequential whose children are the layers. Parameters are NaN until init_parameters() or a load.
Sequential build_spec(std::span<const LayerSpec> layers, const data::Input& sample, const SpecLimits& limits = {});

/// The names of all kinds of layers, for help and docs.
std::vector<std::string_view> spec_layer_names();

/// How a layer is written: its values in their order, then its attributes with their defaults.
struct LayerUsage {
  std::string_view name{};
  std::string values{};   ///< "OUT_CHANNELS KERNEL_SIZE", "{ LAYERS } [{ LAYERS }]"
  std::string options{};  ///< "stride=1 padding=0"
};
std::vector<LayerUsage> spec_usages();

}  // namespace hop::nn
