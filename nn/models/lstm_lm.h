// A language model of an embedding, an LSTM and a linear layer (Zaremba et al., "Recurrent neural network
// regularization", 2014), with the names of PyTorch's example word_language_model.
#pragma once

#include <cstdint>
#include <string>

#include "nn/layers/dropout.h"
#include "nn/layers/linear.h"
#include "nn/layers/recurrent.h"
#include "nn/models/parts.h"

namespace hop::nn::models {

struct LSTMLanguageModelOptions {
  std::int64_t vocab_size = 10'000;
  std::int64_t embedding = 200;
  std::int64_t hidden = 200;
  std::int64_t layers = 2;
  double dropout = 0.2;
  bool tied = false;       ///< the last layer shares the weight of the first one; `embedding` is then `hidden`
  bool last_only = false;  ///< the logits of the last position alone, (N, vocab_size): a row is a text and what follows
  DType dtype = DType::f32;
};

/// Tokens (N, T), i64 or whole numbers as floats -> logits (N, T, vocab_size) of the token after each. (PyTorch's
/// example takes (T, N).) A text starts from a state of zeros. Vectors start as normal with the deviation of the
/// example's uniform numbers, 0.1 / sqrt(3).
class LSTMLanguageModel : public Module {
 public:
  /// Throws ConfigError for sizes below 1, and for `tied` unless embedding = hidden.
  explicit LSTMLanguageModel(const LSTMLanguageModelOptions& options);
  Tensor forward(const Tensor& tokens) override;
  std::string type_name() const override { return "RNNModel"; }

  Dropout drop;
  NormalEmbedding encoder;
  LSTM rnn;
  Linear decoder;

 private:
  bool last_only_;
};

}  // namespace hop::nn::models
