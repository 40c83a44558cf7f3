// TabTransformer (Huang et al., "TabTransformer: Tabular data modeling using contextual embeddings", 2020).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/layers/norm.h"
#include "nn/layers/sequential.h"
#include "nn/layers/transformer.h"
#include "nn/models/parts.h"

namespace hop::nn::models {

struct TabTransformerOptions {
  std::int64_t numbers = 0;              ///< features before the categories
  std::vector<std::int64_t> words = {};  ///< of each category: its indices are 0 to words
  std::int64_t embedding = 32;
  std::int64_t heads = 8;
  std::int64_t layers = 6;
  std::vector<std::int64_t> hidden = {128, 64};  ///< widths of the network behind
  double dropout = 0.1;
  std::int64_t outputs = 1;
  DType dtype = DType::f32;
};

/// Rows (N, numbers + C), of which the last C features are indices of words -> (N, outputs). A Transformer lets the
/// vectors of a row's words see each other; they and the normalised numbers go into a network.
class TabTransformer : public Module {
 public:
  /// Throws ConfigError without words, and as the layers do.
  explicit TabTransformer(const TabTransformerOptions& options);
  /// Throws ShapeError for rows of another width, IndexError.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "TabTransformer"; }

  std::vector<WordEmbedding> embeddings;  ///< named "embeddings.0", ..
  TransformerEncoder transformer;
  LayerNorm norm;  ///< of the numbers; not registered without numbers
  Sequential mlp;

 private:
  std::int64_t numbers_;
};

}  // namespace hop::nn::models
