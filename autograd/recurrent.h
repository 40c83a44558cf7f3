// Differentiable LSTM and GRU over whole sequences, one direction of one layer: a product with the hidden state and one
// fused step for all gates at each time, and one product for the weights' gradient of all times.
#pragma once

#include "tensor/tensor.h"

namespace hop {

struct LstmSequence {
  Tensor h{};    ///< (T, N, H): the hidden state of each step
  Tensor c_n{};  ///< (N, H): the last cell
};

/// x_gates (T, N, 4 H) are the inputs times their weights, with their bias; weight (4 H, H) and bias (4 H, may be
/// undefined) are those of the hidden state; gates in PyTorch's order i, f, g, o. h_0 and c_0 are (N, H). A reverse
/// sequence goes from the last step to the first; h stays in the order of x_gates. f32 or f64, equal dtypes; with
/// operands of bf16 or f16 the whole sequence is computed in f32 and its results are rounded to x_gates' dtype. Throws
/// ShapeError, DtypeError.
LstmSequence lstm_sequence(const Tensor& x_gates, const Tensor& weight, const Tensor& bias, const Tensor& h_0,
                           const Tensor& c_0, bool reverse = false);

/// The same for gates r, z, n: x_gates (T, N, 3 H), weight (3 H, H), bias (3 H) -> (T, N, H).
Tensor gru_sequence(const Tensor& x_gates, const Tensor& weight, const Tensor& bias, const Tensor& h_0,
                    bool reverse = false);

}  // namespace hop
