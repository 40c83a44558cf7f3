// The table of layers: the families' rows in one.
#include "nn/detail/spec_table.h"

#include "base/error.h"
#include "nn/detail/layers/rows.h"

namespace hop::nn::detail {

void expected_shape(const std::string& what, const Shape& got) {
  throw ShapeError("expected " + what + ", got " + got.to_string());
}

Shape same_shape(const Arguments&, const Shape& sample) { return sample; }

Shape image_shape(const Arguments&, const Shape& sample) {
  if (sample.size() != 3) expected_shape("an image (C, H, W)", sample);
  return sample;
}

Shape vector_shape(const Arguments&, const Shape& sample) {
  if (sample.size() != 1) expected_shape("a flat input (put \"flatten\" before it)", sample);
  return sample;
}

Shape sequence_shape(const Arguments&, const Shape& sample) {
  if (sample.size() != 2) expected_shape("a sequence (C, L)", sample);
  return sample;
}

Shape token_shape(const Arguments&, const Shape& sample) {
  if (sample.size() != 2) expected_shape("tokens (T, E)", sample);
  return sample;
}

Shape with_last(const Arguments&, const Shape& sample) {
  if (sample.empty()) expected_shape("at least one dimension", sample);
  return sample;
}

std::span<const LayerKind> layer_kinds() {
  static const std::vector<LayerKind> kinds = [] {
    std::vector<LayerKind> all;
    for (const auto family :
         {image_layers(), dense_layers(), normalization_layers(), activation_layers(), random_layers(), token_layers(),
          branched_layers(), resizing_layers(), sequence_layers(), recurrent_layers()}) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }();
  return kinds;
}

const LayerKind* find_layer_kind(std::string_view name) {
  for (const LayerKind& kind : layer_kinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

}  // namespace hop::nn::detail
