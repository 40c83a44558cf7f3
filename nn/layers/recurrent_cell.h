// One step of a recurrent layer: LSTMCell, GRUCell, RNNCell. Beyond PyTorch's: a call with x alone starts from zeros
// and returns h. A single input (input) has a state (hidden).
#pragma once

#include "nn/layers/recurrent.h"
#include "nn/module.h"

namespace hop::nn {

struct RecurrentCellOptions {
  bool bias = true;
  DType dtype = DType::f32;
};

struct RNNCellOptions {
  bool bias = true;
  RNNNonlinearity nonlinearity = RNNNonlinearity::tanh;
  DType dtype = DType::f32;
};

/// The common part of the cells below: their parameters and checks.
class RecurrentCell : public Module {
 public:
  void reset_parameters(const ParameterKeys& keys) override;
  std::string extra_repr() const override;

  Parameter weight_ih;  ///< (gates * hidden, input)
  Parameter weight_hh;  ///< (gates * hidden, hidden)
  Parameter bias_ih;    ///< (gates * hidden), or undefined
  Parameter bias_hh;    ///< (gates * hidden), or undefined

 protected:
  /// Throws ConfigError for sizes below 1.
  RecurrentCell(const char* op, std::int64_t gates, std::int64_t input_size, std::int64_t hidden_size,
                const RecurrentCellOptions& options);
  /// Throws ShapeError unless x is (N, input) or (input).
  void check_input(const Tensor& x) const;
  /// `state`, or zeros if it is undefined. Throws ShapeError unless it is (N, hidden), or (hidden) for a single x.
  /// `what` names it.
  Tensor state_or_zeros(const Tensor& x, const Tensor& state, const char* what) const;
  Tensor x_gates(const Tensor& x) const;
  Tensor h_gates(const Tensor& h) const;

 private:
  Parameter add(const char* name, std::int64_t rows, std::int64_t columns, DType dtype);
};

/// torch.nn.LSTMCell: x (N, input) and a state of (N, hidden) each -> the next state. See LSTM.
class LSTMCell : public RecurrentCell {
 public:
  LSTMCell(std::int64_t input_size, std::int64_t hidden_size, const RecurrentCellOptions& options = {})
      : RecurrentCell("LSTMCell", 4, input_size, hidden_size, options) {}

  using Module::operator();
  /// Hooks see h alone. If one of `state` is defined, both must be.
  LSTMState operator()(const Tensor& x, const LSTMState& state);
  Tensor forward(const Tensor& x) override { return forward(x, {}).h; }
  LSTMState forward(const Tensor& x, const LSTMState& state);
  std::string type_name() const override { return "LSTMCell"; }
};

/// torch.nn.GRUCell: x (N, input) and h (N, hidden) -> the next h. See GRU.
class GRUCell : public RecurrentCell {
 public:
  GRUCell(std::int64_t input_size, std::int64_t hidden_size, const RecurrentCellOptions& options = {})
      : RecurrentCell("GRUCell", 3, input_size, hidden_size, options) {}

  using Module::operator();
  Tensor operator()(const Tensor& x, const Tensor& h) {
    return with_hooks(x, [&](const Tensor& input) { return forward(input, h); });
  }
  Tensor forward(const Tensor& x) override { return forward(x, {}); }
  Tensor forward(const Tensor& x, const Tensor& h);
  std::string type_name() const override { return "GRUCell"; }
};

/// torch.nn.RNNCell: x (N, input) and h (N, hidden) -> the next h. See RNN.
class RNNCell : public RecurrentCell {
 public:
  RNNCell(std::int64_t input_size, std::int64_t hidden_size, const RNNCellOptions& options = {})
      : RecurrentCell("RNNCell", 1, input_size, hidden_size, {.bias = options.bias, .dtype = options.dtype}),
        nonlinearity_(options.nonlinearity) {}

  using Module::operator();
  Tensor operator()(const Tensor& x, const Tensor& h) {
    return with_hooks(x, [&](const Tensor& input) { return forward(input, h); });
  }
  Tensor forward(const Tensor& x) override { return forward(x, {}); }
  Tensor forward(const Tensor& x, const Tensor& h);
  std::string type_name() const override { return "RNNCell"; }
  std::string extra_repr() const override;

 private:
  RNNNonlinearity nonlinearity_;
};

}  // namespace hop::nn
