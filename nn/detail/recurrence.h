// One step of each recurrent cell (recurrent_cell.h), from recorded operations, and what the cells share with the
// layers (recurrent.h). The layers LSTM and GRU run whole sequences in fused steps (autograd/recurrent.h) of the same
// formulas.
#pragma once

#include "nn/init.h"
#include "nn/layers/recurrent.h"

namespace hop::nn::detail {

// x_gates and h_gates (N, gates * hidden) are the products of the input and of the hidden state, with their biases. h
// and c are (N, hidden). The gates stand in PyTorch's order.

/// i, f, g, o: c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c').
LSTMState lstm_step(const Tensor& x_gates, const Tensor& h_gates, const Tensor& c);
/// r, z, n: n' = tanh(n_x + sigmoid(r) n_h), h' = (1 - sigmoid(z)) n' + sigmoid(z) h.
Tensor gru_step(const Tensor& x_gates, const Tensor& h_gates, const Tensor& h);
Tensor rnn_step(const Tensor& x_gates, const Tensor& h_gates, RNNNonlinearity nonlinearity);

/// Uniform in +-1 / sqrt(hidden). `suffix` is the end of each name ("_l0_reverse").
void reset(const RecurrentWeights& weights, const ParameterKeys& keys, const std::string& suffix);

}  // namespace hop::nn::detail
