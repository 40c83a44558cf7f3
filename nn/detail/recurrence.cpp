#include "nn/detail/recurrence.h"

#include <cmath>
#include <string>

#include "autograd/ops.h"

namespace hop::nn::detail {

LSTMState lstm_step(const Tensor& x_gates, const Tensor& h_gates, const Tensor& c) {
  const std::vector<Tensor> gates = chunk(x_gates + h_gates, 4, -1);
  const Tensor input = sigmoid(gates[0]), forget = sigmoid(gates[1]), cell = tanh(gates[2]), output = sigmoid(gates[3]);
  const Tensor next = forget * c + input * cell;
  return {output * tanh(next), next};
}

Tensor gru_step(const Tensor& x_gates, const Tensor& h_gates, const Tensor& h) {
  const std::vector<Tensor> x = chunk(x_gates, 3, -1), hidden = chunk(h_gates, 3, -1);
  const Tensor reset = sigmoid(x[0] + hidden[0]), update = sigmoid(x[1] + hidden[1]);
  const Tensor next = tanh(x[2] + reset * hidden[2]);
  return next + update * (h - next);
}

Tensor rnn_step(const Tensor& x_gates, const Tensor& h_gates, RNNNonlinearity nonlinearity) {
  const Tensor sum = x_gates + h_gates;
  return nonlinearity == RNNNonlinearity::relu ? relu(sum) : tanh(sum);
}

void reset(const RecurrentWeights& weights, const ParameterKeys& keys, const std::string& suffix) {
  const double bound = 1 / std::sqrt(static_cast<double>(weights.weight_hh.size(1)));
  const auto fill = [&](const Parameter& p, const char* name) {
    if (p.defined()) init::uniform_(p, keys[name + suffix], -bound, bound);
  };
  fill(weights.weight_ih, "weight_ih");
  fill(weights.weight_hh, "weight_hh");
  fill(weights.bias_ih, "bias_ih");
  fill(weights.bias_hh, "bias_hh");
}

}  // namespace hop::nn::detail
