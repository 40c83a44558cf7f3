#include "nn/layers/recurrent.h"

#include <string_view>
#include <utility>

#include "autograd/half_internal.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"
#include "nn/detail/packed.h"
#include "nn/detail/recurrence.h"
#include "nn/detail/text.h"

namespace hop::nn {

namespace {

/// The last of the steps (T, ..) of a sequence.
Tensor last_step(const Tensor& x, bool reverse) { return select(x, 0, reverse ? 0 : x.size(0) - 1); }

std::int64_t directions(const RecurrentOptions& options) { return options.bidirectional ? 2 : 1; }

const RecurrentOptions& checked(const char* op, std::int64_t input_size, std::int64_t hidden_size,
                                const RecurrentOptions& options) {
  detail::check_positive(op, {{"input_size", input_size}, {"hidden_size", hidden_size}});
  detail::check_layers(op, options.num_layers);
  if (!(options.dropout >= 0 && options.dropout <= 1)) {
    throw ConfigError("[" + std::string(op) + "] expected a dropout in 0..1, got " + shortest(options.dropout));
  }
  if (options.proj_size != 0 && std::string_view(op) != "LSTM") {
    throw ConfigError("[" + std::string(op) + "] expected a proj_size of 0, got " + std::to_string(options.proj_size) +
                      ": only LSTM has a projection");
  }
  if (options.proj_size < 0 || options.proj_size >= hidden_size) {
    throw ConfigError("[" + std::string(op) + "] expected a proj_size of at least 0 and below the hidden_size of " +
                      std::to_string(hidden_size) + ", got " + std::to_string(options.proj_size));
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
    const Parameter weight_ih = add("weight_ih" + end, {rows, row < d ? input_size_ : d * output_size()});
    const Parameter weight_hh = add("weight_hh" + end, {rows, output_size()});
    const Parameter bias_ih = options_.bias ? add("bias_ih" + end, {rows}) : Parameter();
    const Parameter bias_hh = options_.bias ? add("bias_hh" + end, {rows}) : Parameter();
    const Parameter weight_hr =
        options_.proj_size > 0 ? add("weight_hr" + end, {options_.proj_size, hidden_size_}) : Parameter();
    all.push_back({weight_ih, weight_hh, bias_ih, bias_hh, weight_hr});
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

LSTMState Recurrent::start(const Tensor& x, std::int64_t sequences, const LSTMState& initial) const {
  const std::int64_t rows = directions(options_) * options_.num_layers;
  const Shape of_h{rows, sequences, output_size()}, of_c{rows, sequences, hidden_size_};
  const std::string op = type_name();
  if (!initial.h.defined() && !initial.c.defined()) {
    const Tensor h = kernels::zeros(of_h, x.dtype(), x.device());
    if (!has_cell()) return {h, {}};
    return {h, of_c == of_h ? h : kernels::zeros(of_c, x.dtype(), x.device())};
  }
  kernels::expect_defined(op.c_str(), initial.h);
  kernels::expect_shape(op.c_str(), "an initial h", initial.h, of_h);
  if (!has_cell()) return initial;
  kernels::expect_defined(op.c_str(), initial.c);
  kernels::expect_shape(op.c_str(), "an initial c", initial.c, of_c);
  return initial;
}

template <class Direction>
LSTMResult Recurrent::run_layers(Tensor y, const LSTMState& first, const Direction& direction) {
  const std::vector<Tensor> h_0 = unbind(first.h), c_0 = has_cell() ? unbind(first.c) : std::vector<Tensor>(h_0.size());
  std::vector<Tensor> h_n, c_n;
  const std::int64_t d = directions(options_);
  for (std::int64_t layer = 0; layer < options_.num_layers; ++layer) {
    std::vector<Tensor> outputs;
    for (std::int64_t row = layer * d; row < (layer + 1) * d; ++row) {
      const auto index = static_cast<std::size_t>(row);
      const RecurrentWeights& w = weights_[index];
      const LSTMResult made = direction(linear(y, w.weight_ih, w.bias_ih), w, {h_0[index], c_0[index]}, row % d == 1);
      outputs.push_back(made.output);
      h_n.push_back(made.state.h);
      c_n.push_back(made.state.c);
    }
    y = d == 1 ? outputs[0] : cat(outputs, -1);
    const bool drops = options_.dropout > 0 && layer + 1 < options_.num_layers && is_training();
    if (drops) y = dropout(y, options_.dropout, next_random());
  }
  return {y, {stack(h_n), has_cell() ? stack(c_n) : Tensor()}};
}

LSTMResult Recurrent::run(const Tensor& x, const LSTMState& initial) {
  kernels::expect_defined(type_name().c_str(), x);
  const bool is_single = x.dim() == 2;
  const int time = options_.batch_first && !is_single ? 1 : 0;
  if ((x.dim() != 3 && !is_single) || x.size(-1) != input_size_ || x.size(time) == 0) {
    throw ShapeError("[" + type_name() + "] expected (T, C) or " + (options_.batch_first ? "(N, T, C)" : "(T, N, C)") +
                     " with T > 0 and C = " + std::to_string(input_size_) + ", got " + x.shape().to_string());
  }
  if (is_single) return run_single(x, initial);
  const auto direction = [this](const Tensor& x_gates, const RecurrentWeights& weights, const LSTMState& first,
                                bool reverse) {
    return sequence(x_gates, {weights.weight_hh, weights.bias_hh, weights.weight_hr}, first, reverse);
  };
  LSTMResult result =
      run_layers(options_.batch_first ? transpose(x, 0, 1) : x, start(x, x.size(1 - time), initial), direction);
  if (options_.batch_first) result.output = transpose(result.output, 0, 1);
  return result;
}

/// A sequence (T, C) and its state, as a batch of one.
LSTMResult Recurrent::run_single(const Tensor& x, const LSTMState& initial) {
  const int batch = options_.batch_first ? 0 : 1;
  const auto as_batch = [this](const char* what, const Tensor& state, std::int64_t size) {
    if (!state.defined()) return state;
    const Shape shape{directions(options_) * options_.num_layers, size};
    kernels::expect_shape(type_name().c_str(), what, state, shape);
    return unsqueeze(state, 1);
  };
  const auto alone = [](const Tensor& state) { return state.defined() ? squeeze(state, 1) : state; };
  const LSTMResult result = run(unsqueeze(x, batch), {as_batch("an initial h", initial.h, output_size()),
                                                      as_batch("an initial c", initial.c, hidden_size_)});
  return {squeeze(result.output, batch), {alone(result.state.h), alone(result.state.c)}};
}

namespace {

/// Neighbouring steps of packed sequences that have the same number of sequences.
struct Segment {
  std::int64_t steps, batch;
};

std::vector<Segment> segments_of(const std::vector<std::int64_t>& batch_sizes) {
  std::vector<Segment> segments;
  for (const std::int64_t batch : batch_sizes) {
    if (segments.empty() || batch < segments.back().batch) segments.push_back({0, batch});
    ++segments.back().steps;
  }
  return segments;
}

/// Sequences of a state (N, hidden) from `begin` to `end`.
LSTMState part(const LSTMState& state, std::int64_t begin, std::int64_t end) {
  return {slice(state.h, 0, begin, end), state.c.defined() ? slice(state.c, 0, begin, end) : Tensor()};
}

LSTMState join(const LSTMState& a, const LSTMState& b) {
  return {cat({a.h, b.h}), a.c.defined() ? cat({a.c, b.c}) : Tensor()};
}

/// The states of sequences in another order.
LSTMState reordered(const LSTMState& state, const Tensor& order) {
  if (!order.defined()) return state;
  const auto in_order = [&](const Tensor& x) { return x.defined() ? index_select(x, 1, order) : x; };
  return {in_order(state.h), in_order(state.c)};
}

}  // namespace

// A segment is a batch of sequences that all have its steps. Going forward, sequences end between two segments: those
// with the smallest rows go on. Going back, sequences begin there, from their initial state.
LSTMResult Recurrent::run_packed(const Tensor& rows, const PackedSequence& packed, const LSTMState& initial) {
  const std::string op = type_name();
  kernels::expect_defined(op.c_str(), rows);
  if (rows.dim() != 2 || rows.size(1) != input_size_) {
    throw ShapeError("[" + op + "] expected packed sequences with data (rows, " + std::to_string(input_size_) +
                     "), got " + rows.shape().to_string());
  }
  const std::vector<Segment> segments = segments_of(detail::batch_sizes_of(op, packed, rows));
  const PackedSequence x = detail::with_both_orders(op, packed, segments[0].batch);
  std::vector<std::int64_t> rows_of;
  for (const Segment& segment : segments) rows_of.push_back(segment.steps * segment.batch);
  const auto direction = [&](const Tensor& x_gates, const RecurrentWeights& weights, const LSTMState& start,
                             bool reverse) -> LSTMResult {
    const auto wide = [](const Tensor& value) { return autograd::in_f32(value); };
    const StepWeights w = {wide(weights.weight_hh), wide(weights.bias_hh), wide(weights.weight_hr)};
    const LSTMState first = {wide(start.h), wide(start.c)};
    const std::vector<Tensor> gates = split(wide(x_gates), rows_of);
    std::vector<Tensor> outputs(segments.size());
    LSTMState now = part(first, 0, reverse ? segments.back().batch : segments.front().batch), ended;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const std::size_t place = reverse ? segments.size() - 1 - i : i;
      const auto [steps, batch] = segments[place];
      const std::int64_t before = now.h.size(0);
      if (batch < before) {
        const LSTMState last = part(now, batch, before);
        ended = ended.h.defined() ? join(last, ended) : last;
        now = part(now, 0, batch);
      } else if (batch > before) {
        now = join(now, part(first, before, batch));
      }
      LSTMResult made = sequence(reshape(gates[place], {steps, batch, x_gates.size(1)}), w, now, reverse);
      outputs[place] = reshape(made.output, {steps * batch, output_size()});
      now = std::move(made.state);
    }
    const LSTMState last = ended.h.defined() ? join(now, ended) : now;
    const auto narrow = [&](const Tensor& value) {
      return value.defined() ? autograd::rounded_like(value, x_gates) : value;
    };
    return {narrow(outputs.size() == 1 ? outputs[0] : cat(outputs)), {narrow(last.h), narrow(last.c)}};
  };
  LSTMResult result = run_layers(rows, reordered(start(rows, segments[0].batch, initial), x.sorted_indices), direction);
  result.state = reordered(result.state, x.unsorted_indices);
  return result;
}

LSTMResult Recurrent::call(const Tensor& x, const LSTMState& initial) {
  LSTMResult result;
  result.output = with_hooks(x, [&](const Tensor& input) {
    result = run(input, initial);
    return result.output;
  });
  return result;
}

PackedLSTMResult Recurrent::call(const PackedSequence& x, const LSTMState& initial) {
  LSTMResult result;
  PackedSequence output = x;
  output.data = with_hooks(x.data, [&](const Tensor& input) {
    result = run_packed(input, x, initial);
    return result.output;
  });
  return {std::move(output), std::move(result.state)};
}

void Recurrent::reset_parameters(const ParameterKeys& keys) {
  for (std::size_t row = 0; row < weights_.size(); ++row)
    detail::reset(weights_[row], keys, suffix(static_cast<std::int64_t>(row)));
}

std::string Recurrent::extra_repr() const {
  std::string text = std::to_string(input_size_) + ", " + std::to_string(hidden_size_);
  if (options_.proj_size != 0) text += ", proj_size=" + std::to_string(options_.proj_size);
  if (options_.num_layers != 1) text += ", num_layers=" + std::to_string(options_.num_layers);
  if (!options_.bias) text += ", bias=False";
  if (options_.batch_first) text += ", batch_first=True";
  if (options_.dropout != 0) text += ", dropout=" + shortest(options_.dropout);
  if (options_.bidirectional) text += ", bidirectional=True";
  return text;
}

namespace {

/// `step` makes the next state from the gates of each step and the state before, in f32 if they are of 16 bits.
LSTMResult step_by_step(const Tensor& x_gates, const LSTMState& first, bool reverse, const auto& step) {
  const std::vector<Tensor> gates = unbind(autograd::in_f32(x_gates));
  std::vector<Tensor> output(gates.size());
  LSTMState now = {autograd::in_f32(first.h), autograd::in_f32(first.c)};
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const std::size_t t = reverse ? gates.size() - 1 - i : i;
    now = step(gates[t], now);
    output[t] = now.h;
  }
  const auto narrow = [&](const Tensor& x) { return x.defined() ? autograd::rounded_like(x, x_gates) : x; };
  return {narrow(stack(output)), {narrow(now.h), narrow(now.c)}};
}

}  // namespace

LSTMResult LSTM::sequence(const Tensor& x_gates, const StepWeights& w, const LSTMState& first, bool reverse) const {
  if (w.projection.defined()) {
    const Tensor weight = autograd::in_f32(w.weight), bias = autograd::in_f32(w.bias),
                 projection = autograd::in_f32(w.projection);
    return step_by_step(x_gates, first, reverse, [&](const Tensor& gates, const LSTMState& before) -> LSTMState {
      const LSTMState next = detail::lstm_step(gates, linear(before.h, weight, bias), before.c);
      return {linear(next.h, projection), next.c};
    });
  }
  const LstmSequence made = lstm_sequence(x_gates, w.weight, w.bias, first.h, first.c, reverse);
  return {made.h, {last_step(made.h, reverse), made.c_n}};
}

LSTMResult GRU::sequence(const Tensor& x_gates, const StepWeights& w, const LSTMState& first, bool reverse) const {
  const Tensor h = gru_sequence(x_gates, w.weight, w.bias, first.h, reverse);
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

LSTMResult RNN::sequence(const Tensor& x_gates, const StepWeights& w, const LSTMState& first, bool reverse) const {
  const Tensor weight = autograd::in_f32(w.weight), bias = autograd::in_f32(w.bias);
  return step_by_step(x_gates, first, reverse, [&](const Tensor& gates, const LSTMState& before) -> LSTMState {
    return {detail::rnn_step(gates, linear(before.h, weight, bias), nonlinearity_), {}};
  });
}

}  // namespace hop::nn
