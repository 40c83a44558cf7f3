#include "nn/layers/recurrent.h"

#include <utility>

#include "autograd/half_internal.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"
#include "nn/detail/recurrence.h"
#include "nn/detail/text.h"

namespace hop::nn {

namespace {

/// The last of the steps (T, ..) of a sequence.
Tensor last_step(const Tensor& x, bool reverse) { return select(x, 0, reverse ? 0 : x.size(0) - 1); }

std::int64_t directions(const RecurrentOptions& options) { return options.bidirectional ? 2 : 1; }

const RecurrentOptions& checked(const char* op, std::int64_t input_size, std::int64_t hidden_size,
                                const RecurrentOptions& options) {
  detail::check_positive(
      op, {{"input_size", input_size}, {"hidden_size", hidden_size}, {"num_layers", options.num_layers}});
  if (!(options.dropout >= 0 && options.dropout <= 1)) {
    throw ConfigError("[" + std::string(op) + "] expected a dropout in 0..1, got " + shortest(options.dropout));
  }
  return options;
}

}  // namespace

Recurrent::Recurrent(const char* op, std::int64_t gates, std::int64_t input_size, std::int64_t hidden_size,
                     const RecurrentOptions& options)
    : input_size_(input_size),
      hidden_size_(hidden_size),
      options_(checked(op, input_size, hidden_size, options)),
      weights_(register_weights(op, gates)) {}

std::vector<RecurrentWeights> Recurrent::register_weights(const char* op, std::int64_t gates) {
  const std::int64_t d = directions(options_), rows = checked_mul(gates, hidden_size_, op);
  const auto add = [&](const std::string& name, const Shape& shape) {
    return register_parameter(name, detail::fresh_weight(shape, options_.dtype));
  };
  std::vector<RecurrentWeights> all;
  for (std::int64_t row = 0; row < options_.num_layers * d; ++row) {
    const std::string end = suffix(row);
    const Parameter weight_ih = add("weight_ih" + end, {rows, row < d ? input_size_ : d * hidden_size_});
    const Parameter weight_hh = add("weight_hh" + end, {rows, hidden_size_});
    const Parameter bias_ih = options_.bias ? add("bias_ih" + end, {rows}) : Parameter();
    const Parameter bias_hh = options_.bias ? add("bias_hh" + end, {rows}) : Parameter();
    all.push_back({weight_ih, weight_hh, bias_ih, bias_hh});
  }
  return all;
}

std::string Recurrent::suffix(std::int64_t row) const {
  const std::int64_t d = directions(options_);
  return "_l" + std::to_string(row / d) + (row % d == 1 ? "_reverse" : "");
}

const RecurrentWeights& Recurrent::weights(std::int64_t layer, bool reverse) const {
  if (layer < 0 || layer >= options_.num_layers || (reverse && !options_.bidirectional)) {
    throw IndexError("[" + type_name() + "] expected one of " + std::to_string(options_.num_layers) +
                     (options_.bidirectional ? " layers" : " layers without a reverse direction") + ", got layer " +
                     std::to_string(layer) + (reverse ? ", reverse" : ""));
  }
  return weights_[static_cast<std::size_t>(layer * directions(options_) + (reverse ? 1 : 0))];
}

LSTMState Recurrent::start(const Tensor& x, const LSTMState& initial) const {
  const std::int64_t n = x.size(options_.batch_first ? 0 : 1);
  const Shape shape{directions(options_) * options_.num_layers, n, hidden_size_};
  const std::string op = type_name();
  if (!initial.h.defined() && !initial.c.defined()) {
    const Tensor h = kernels::zeros(shape, x.dtype(), x.device());
    return {h, has_cell() ? h : Tensor()};
  }
  kernels::expect_defined(op.c_str(), initial.h);
  kernels::expect_shape(op.c_str(), "an initial h", initial.h, shape);
  if (!has_cell()) return initial;
  kernels::expect_defined(op.c_str(), initial.c);
  kernels::expect_shape(op.c_str(), "an initial c", initial.c, shape);
  return initial;
}

LSTMResult Recurrent::run(const Tensor& x, const LSTMState& initial) {
  kernels::expect_defined(type_name().c_str(), x);
  const int time = options_.batch_first ? 1 : 0;
  if (x.dim() != 3 || x.size(2) != input_size_ || x.size(time) == 0) {
    throw ShapeError("[" + type_name() + "] expected " + (options_.batch_first ? "(N, T, C)" : "(T, N, C)") +
                     " with T > 0 and C = " + std::to_string(input_size_) + ", got " + x.shape().to_string());
  }
  const LSTMState first = start(x, initial);
  const std::vector<Tensor> h_0 = unbind(first.h), c_0 = has_cell() ? unbind(first.c) : std::vector<Tensor>(h_0.size());
  std::vector<Tensor> h_n, c_n;
  Tensor y = options_.batch_first ? transpose(x, 0, 1) : x;
  const std::int64_t d = directions(options_);
  for (std::int64_t layer = 0; layer < options_.num_layers; ++layer) {
    std::vector<Tensor> outputs;
    for (std::int64_t row = layer * d; row < (layer + 1) * d; ++row) {
      const auto index = static_cast<std::size_t>(row);
      const RecurrentWeights& w = weights_[index];
      const LSTMResult made = sequence(linear(y, w.weight_ih, w.bias_ih), w, {h_0[index], c_0[index]}, row % d == 1);
      outputs.push_back(made.output);
      h_n.push_back(made.state.h);
      c_n.push_back(made.state.c);
    }
    y = d == 1 ? outputs[0] : cat(outputs, 2);
    const bool drops = options_.dropout > 0 && layer + 1 < options_.num_layers && is_training();
    if (drops) y = dropout(y, options_.dropout, next_random());
  }
  return {options_.batch_first ? transpose(y, 0, 1) : y, {stack(h_n), has_cell() ? stack(c_n) : Tensor()}};
}

void Recurrent::reset_parameters(const ParameterKeys& keys) {
  for (std::size_t row = 0; row < weights_.size(); ++row)
    detail::reset(weights_[row], keys, suffix(static_cast<std::int64_t>(row)));
}

std::string Recurrent::extra_repr() const {
  std::string text = std::to_string(input_size_) + ", " + std::to_string(hidden_size_);
  if (options_.num_layers != 1) text += ", num_layers=" + std::to_string(options_.num_layers);
  if (!options_.bias) text += ", bias=False";
  if (options_.batch_first) text += ", batch_first=True";
  if (options_.dropout != 0) text += ", dropout=" + shortest(options_.dropout);
  if (options_.bidirectional) text += ", bidirectional=True";
  return text;
}

LSTMResult LSTM::operator()(const Tensor& x, const LSTMState& initial) {
  LSTMResult result;
  const Tensor output = with_hooks(x, [&](const Tensor& input) {
    result = forward(input, initial);
    return result.output;
  });
  result.output = output;
  return result;
}

LSTMResult LSTM::forward(const Tensor& x, const LSTMState& initial) { return run(x, initial); }

LSTMResult LSTM::sequence(const Tensor& x_gates, const RecurrentWeights& weights, const LSTMState& first,
                          bool reverse) const {
  const LstmSequence made = lstm_sequence(x_gates, weights.weight_hh, weights.bias_hh, first.h, first.c, reverse);
  return {made.h, {last_step(made.h, reverse), made.c_n}};
}

RecurrentResult GRU::operator()(const Tensor& x, const Tensor& h_0) {
  RecurrentResult result;
  const Tensor output = with_hooks(x, [&](const Tensor& input) {
    result = forward(input, h_0);
    return result.output;
  });
  result.output = output;
  return result;
}

RecurrentResult GRU::forward(const Tensor& x, const Tensor& h_0) {
  const LSTMResult result = run(x, {h_0, {}});
  return {result.output, result.state.h};
}

LSTMResult GRU::sequence(const Tensor& x_gates, const RecurrentWeights& weights, const LSTMState& first,
                         bool reverse) const {
  const Tensor h = gru_sequence(x_gates, weights.weight_hh, weights.bias_hh, first.h, reverse);
  return {h, {last_step(h, reverse), {}}};
}

RNN::RNN(std::int64_t input_size, std::int64_t hidden_size, const RNNOptions& options)
    : Recurrent("RNN", 1, input_size, hidden_size,
                {.num_layers = options.num_layers,
                 .bias = options.bias,
                 .batch_first = options.batch_first,
                 .dropout = options.dropout,
                 .bidirectional = options.bidirectional,
                 .dtype = options.dtype}),
      nonlinearity_(options.nonlinearity) {}

RecurrentResult RNN::operator()(const Tensor& x, const Tensor& h_0) {
  RecurrentResult result;
  const Tensor output = with_hooks(x, [&](const Tensor& input) {
    result = forward(input, h_0);
    return result.output;
  });
  result.output = output;
  return result;
}

RecurrentResult RNN::forward(const Tensor& x, const Tensor& h_0) {
  const LSTMResult result = run(x, {h_0, {}});
  return {result.output, result.state.h};
}

LSTMResult RNN::sequence(const Tensor& x_gates, const RecurrentWeights& weights, const LSTMState& first,
                         bool reverse) const {
  const Tensor weight = autograd::in_f32(weights.weight_hh), bias = autograd::in_f32(weights.bias_hh);
  const std::vector<Tensor> gates = unbind(autograd::in_f32(x_gates));
  std::vector<Tensor> output(gates.size());
  Tensor h = autograd::in_f32(first.h);
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const std::size_t t = reverse ? gates.size() - 1 - i : i;
    h = output[t] = detail::rnn_step(gates[t], linear(h, weight, bias), nonlinearity_);
  }
  return {autograd::rounded_like(stack(output), x_gates), {autograd::rounded_like(h, x_gates), {}}};
}

}  // namespace hop::nn
