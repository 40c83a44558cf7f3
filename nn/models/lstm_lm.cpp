#include "nn/models/lstm_lm.h"

#include <cmath>

#include "autograd/view.h"
#include "base/error.h"

namespace hop::nn::models {
namespace {

const double kStd = 0.1 / std::sqrt(3.0);

Linear decoder_of(const LSTMLanguageModelOptions& o, const Embedding& encoder) {
  if (!o.tied) return Linear(o.hidden, o.vocab_size, {.dtype = o.dtype});
  if (o.embedding == o.hidden) return Linear(encoder.weight, {.dtype = o.dtype});
  throw ConfigError("[lstm_lm] expected an embedding of the size of the hidden layer, because the two ends are tied, " +
                    std::string("got ") + std::to_string(o.embedding) + " and " + std::to_string(o.hidden));
}

}  // namespace

LSTMLanguageModel::LSTMLanguageModel(const LSTMLanguageModelOptions& o)
    : drop(register_module("drop", Dropout(o.dropout))),
      encoder(register_module("encoder", NormalEmbedding(o.vocab_size, o.embedding, kStd, {.dtype = o.dtype}))),
      rnn(register_module("rnn",
                          LSTM(o.embedding, o.hidden,
                               {.num_layers = o.layers, .batch_first = true, .dropout = o.dropout, .dtype = o.dtype}))),
      decoder(register_module("decoder", decoder_of(o, encoder))),
      last_only_(o.last_only) {}

Tensor LSTMLanguageModel::forward(const Tensor& tokens) {
  const Tensor vectors = drop(encoder(tokens));
  const Tensor output = rnn(vectors);
  return decoder(drop(last_only_ ? select(output, 1, -1) : output));
}

}  // namespace hop::nn::models
