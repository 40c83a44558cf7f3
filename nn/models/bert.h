// An encoder of texts (Devlin et al., "BERT: Pre-training of deep bidirectional transformers", 2019), with the layout
// and the names of Hugging Face's BertModel and BertForSequenceClassification.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/layers/dropout.h"
#include "nn/layers/norm.h"
#include "nn/models/parts.h"

namespace hop::nn::models {

struct BertOptions {
  std::int64_t vocab_size = 30522;
  std::int64_t hidden_size = 768;
  std::int64_t num_hidden_layers = 12;
  std::int64_t num_attention_heads = 12;
  std::int64_t intermediate_size = 3072;
  std::int64_t max_position_embeddings = 512;  ///< the longest text, in tokens
  std::int64_t type_vocab_size = 2;
  double dropout = 0.1;
  double layer_norm_eps = 1e-12;
  std::int64_t classes = 2;  ///< of BertClassifier
  DType dtype = DType::f32;
};

/// What a text is beside its tokens.
struct BertInputs {
  Tensor token_types{};  ///< (N, T) indices; undefined: 0 everywhere
  Tensor padding{};      ///< (N, T) bool, true for tokens that do not count; undefined: all count
};

/// Self-attention, then two linear layers, each with a dropout, a residual and a LayerNorm behind it.
class BertLayer : public Module {
 public:
  explicit BertLayer(const BertOptions& options);
  using Module::operator();
  Tensor operator()(const Tensor& x, const Tensor& padding) {
    return with_hooks(x, [&](const Tensor& input) { return forward(input, padding); });
  }
  Tensor forward(const Tensor& x) override { return forward(x, {}); }
  /// `padding` as in BertInputs.
  Tensor forward(const Tensor& x, const Tensor& padding);
  std::string type_name() const override { return "BertLayer"; }

  NormalLinear query, key, value;  ///< named "attention.self.query", ..
  NormalLinear attention_output;   ///< named "attention.output.dense"
  LayerNorm attention_norm;        ///< named "attention.output.LayerNorm"
  NormalLinear intermediate;       ///< named "intermediate.dense"
  NormalLinear output;             ///< named "output.dense"
  LayerNorm output_norm;           ///< named "output.LayerNorm"
  Dropout dropout;

 private:
  std::int64_t heads_;
};

/// Tokens (N, T), i64 or whole numbers as floats -> (N, T, hidden_size).
class BertModel : public Module {
 public:
  /// Throws ConfigError for sizes below 1, and unless the heads divide hidden_size.
  explicit BertModel(const BertOptions& options);
  using Module::operator();
  Tensor operator()(const Tensor& tokens, const BertInputs& inputs) {
    return with_hooks(tokens, [&](const Tensor& x) { return forward(x, inputs); });
  }
  Tensor forward(const Tensor& tokens) override { return forward(tokens, {}); }
  /// Throws ShapeError for more than max_position_embeddings tokens, IndexError.
  Tensor forward(const Tensor& tokens, const BertInputs& inputs);
  /// tanh of a linear layer of the first token's vector: (N, T, hidden_size) -> (N, hidden_size).
  Tensor pooled(const Tensor& hidden);
  std::string type_name() const override { return "BertModel"; }

  NormalEmbedding word_embeddings, position_embeddings, token_type_embeddings;  ///< named "embeddings...."
  LayerNorm norm;                                                               ///< named "embeddings.LayerNorm"
  Dropout dropout;
  std::vector<BertLayer> layers;  ///< named "encoder.layer.0", ..
  NormalLinear pooler;            ///< named "pooler.dense"
};

/// Tokens (N, T) -> (N, classes): a linear layer behind the pooled encoder. BertForSequenceClassification.
class BertClassifier : public Module {
 public:
  explicit BertClassifier(const BertOptions& options);
  using Module::operator();
  Tensor operator()(const Tensor& tokens, const BertInputs& inputs) {
    return with_hooks(tokens, [&](const Tensor& x) { return forward(x, inputs); });
  }
  Tensor forward(const Tensor& tokens) override { return forward(tokens, {}); }
  Tensor forward(const Tensor& tokens, const BertInputs& inputs);
  std::string type_name() const override { return "BertForSequenceClassification"; }

  BertModel bert;
  Dropout dropout;
  NormalLinear classifier;
};

}  // namespace hop::nn::models
