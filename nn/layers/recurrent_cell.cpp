#include "nn/layers/recurrent_cell.h"

#include "autograd/matmul.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"
#include "nn/detail/recurrence.h"

namespace hop::nn {

namespace {

std::int64_t gate_rows(const char* op, std::int64_t gates, std::int64_t input_size, std::int64_t hidden_size) {
  detail::check_positive(op, {{"input_size", input_size}, {"hidden_size", hidden_size}});
  return checked_mul(gates, hidden_size, op);
}

}  // namespace

RecurrentCell::RecurrentCell(const char* op, std::int64_t gates, std::int64_t input_size, std::int64_t hidden_size,
                             const RecurrentCellOptions& options)
    : weight_ih(add("weight_ih", gate_rows(op, gates, input_size, hidden_size), input_size, options.dtype)),
      weight_hh(add("weight_hh", gates * hidden_size, hidden_size, options.dtype)),
      bias_ih(options.bias ? add("bias_ih", gates * hidden_size, 0, options.dtype) : Parameter()),
      bias_hh(options.bias ? add("bias_hh", gates * hidden_size, 0, options.dtype) : Parameter()) {}

// (rows, columns), or (rows) for 0 columns.
Parameter RecurrentCell::add(const char* name, std::int64_t rows, std::int64_t columns, DType dtype) {
  const Shape shape = columns == 0 ? Shape{rows} : Shape{rows, columns};
  return register_parameter(name, detail::fresh_weight(shape, dtype));
}

void RecurrentCell::check_input(const Tensor& x) const {
  kernels::expect_defined(type_name().c_str(), x);
  if ((x.dim() == 1 || x.dim() == 2) && x.size(-1) == weight_ih.size(1)) return;
  throw ShapeError("[" + type_name() + "] expected (N, C) or (C) with C = " + std::to_string(weight_ih.size(1)) +
                   ", got " + x.shape().to_string());
}

Tensor RecurrentCell::state_or_zeros(const Tensor& x, const Tensor& state, const char* what) const {
  const Shape shape = x.dim() == 1 ? Shape{weight_hh.size(1)} : Shape{x.size(0), weight_hh.size(1)};
  if (!state.defined()) return kernels::zeros(shape, x.dtype(), x.device());
  kernels::expect_shape(type_name().c_str(), what, state, shape);
  return state;
}

Tensor RecurrentCell::x_gates(const Tensor& x) const { return linear(x, weight_ih, bias_ih); }
Tensor RecurrentCell::h_gates(const Tensor& h) const { return linear(h, weight_hh, bias_hh); }

void RecurrentCell::reset_parameters(const ParameterKeys& keys) {
  detail::reset({weight_ih, weight_hh, bias_ih, bias_hh}, keys, "");
}

std::string RecurrentCell::extra_repr() const {
  return std::to_string(weight_ih.size(1)) + ", " + std::to_string(weight_hh.size(1)) +
         (bias_ih.defined() ? "" : ", bias=False");
}

LSTMState LSTMCell::operator()(const Tensor& x, const LSTMState& state) {
  LSTMState next;
  const Tensor h = with_hooks(x, [&](const Tensor& input) {
    next = forward(input, state);
    return next.h;
  });
  next.h = h;
  return next;
}

LSTMState LSTMCell::forward(const Tensor& x, const LSTMState& state) {
  check_input(x);
  if (state.h.defined() != state.c.defined()) kernels::expect_defined("LSTMCell", {});
  const Tensor h = state_or_zeros(x, state.h, "h");
  return detail::lstm_step(x_gates(x), h_gates(h), state_or_zeros(x, state.c, "c"));
}

Tensor GRUCell::forward(const Tensor& x, const Tensor& h) {
  check_input(x);
  const Tensor before = state_or_zeros(x, h, "h");
  return detail::gru_step(x_gates(x), h_gates(before), before);
}

Tensor RNNCell::forward(const Tensor& x, const Tensor& h) {
  check_input(x);
  return detail::rnn_step(x_gates(x), h_gates(state_or_zeros(x, h, "h")), nonlinearity_);
}

std::string RNNCell::extra_repr() const {
  return RecurrentCell::extra_repr() + (nonlinearity_ == RNNNonlinearity::relu ? ", nonlinearity=relu" : "");
}

}  // namespace hop::nn
