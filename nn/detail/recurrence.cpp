#include "nn/detail/recurrence.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "autograd/half_internal.h"
#include "autograd/ops.h"
#include "kernels/recurrent_rules.h"

namespace hop::nn::detail {

namespace {

using autograd::any_half;
using autograd::in_f32;
using autograd::rounded_like;
using kernels::rules::GruCell;
using kernels::rules::kKept;
using kernels::rules::LstmCell;

/// One step of a cell: the new h, and the new state.
template <class Cell>
LSTMState step(const Tensor& x_gates, const Tensor& h_gates, const Tensor& state) {
  Tensor x[Cell::gates], h[Cell::gates], kept[kKept];
  const std::vector<Tensor> from_x = chunk(x_gates, Cell::gates, -1), from_h = chunk(h_gates, Cell::gates, -1);
  std::copy(from_x.begin(), from_x.end(), x);
  std::copy(from_h.begin(), from_h.end(), h);
  LSTMState next;
  Cell::forward(x, h, state, kept, next.h, next.c);
  return next;
}

}  // namespace

LSTMState lstm_step(const Tensor& x_gates, const Tensor& h_gates, const Tensor& c) {
  if (any_half(x_gates, h_gates, c)) {
    const LSTMState wide = lstm_step(in_f32(x_gates), in_f32(h_gates), in_f32(c));
    return {rounded_like(wide.h, x_gates, h_gates, c), rounded_like(wide.c, x_gates, h_gates, c)};
  }
  return step<LstmCell>(x_gates, h_gates, c);
}

Tensor gru_step(const Tensor& x_gates, const Tensor& h_gates, const Tensor& h) {
  if (any_half(x_gates, h_gates, h))
    return rounded_like(gru_step(in_f32(x_gates), in_f32(h_gates), in_f32(h)), x_gates, h_gates, h);
  return step<GruCell>(x_gates, h_gates, h).h;
}

Tensor rnn_step(const Tensor& x_gates, const Tensor& h_gates, RNNNonlinearity nonlinearity) {
  if (any_half(x_gates, h_gates))
    return rounded_like(rnn_step(in_f32(x_gates), in_f32(h_gates), nonlinearity), x_gates, h_gates);
  const Tensor sum = x_gates + h_gates;
  return nonlinearity == RNNNonlinearity::relu ? relu(sum) : tanh(sum);
}

void reset(const RecurrentWeights& weights, const ParameterKeys& keys, const std::string& suffix) {
  const Parameter& of_hidden = weights.weight_hr.defined() ? weights.weight_hr : weights.weight_hh;
  const double bound = 1 / std::sqrt(static_cast<double>(of_hidden.size(1)));
  const auto fill = [&](const Parameter& p, const char* name) {
    if (p.defined()) init::uniform_(p, keys[name + suffix], -bound, bound);
  };
  fill(weights.weight_ih, "weight_ih");
  fill(weights.weight_hh, "weight_hh");
  fill(weights.bias_ih, "bias_ih");
  fill(weights.bias_hh, "bias_hh");
  fill(weights.weight_hr, "weight_hr");
}

}  // namespace hop::nn::detail
