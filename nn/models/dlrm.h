// DLRM (Naumov et al., "Deep learning recommendation model for personalization and recommendation systems", 2019), with
// the names of the authors' implementation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/layers/sequential.h"
#include "nn/models/parts.h"

namespace hop::nn::models {

struct DLRMOptions {
  std::int64_t numbers = 13;             ///< features before the categories; may be 0
  std::vector<std::int64_t> words = {};  ///< of each category: its indices are 0 to words
  std::int64_t embedding = 16;
  std::vector<std::int64_t> bottom = {64};  ///< hidden widths of the network of the numbers
  std::vector<std::int64_t> top = {64};     ///< hidden widths of the network behind the products
  std::int64_t outputs = 1;
  DType dtype = DType::f32;
};

/// Rows (N, numbers + C), of which the last C features are indices of words -> (N, outputs). A network turns the
/// numbers into a vector, and each word has a vector; the products of all pairs of vectors, beside the vector of the
/// numbers, go into a second network. The last layer is linear (the authors': a sigmoid): use BCEWithLogitsLoss.
class DLRM : public Module {
 public:
  /// Throws ConfigError without words and for sizes below 1.
  explicit DLRM(const DLRMOptions& options);
  /// Throws ShapeError for rows of another width, IndexError.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "DLRM_Net"; }

  std::vector<WordEmbedding> emb_l;  ///< named "emb_l.0", ..
  Sequential bot_l;                  ///< empty without numbers
  Sequential top_l;

 private:
  std::int64_t numbers_;
};

}  // namespace hop::nn::models
