// Recurrent layers over whole sequences: LSTM, GRU, RNN. Beyond PyTorch's: a call with x alone returns the output, so
// that the layers stand in a Sequential; a call with x and a state ({} starts from zeros) returns the output and the
// last states. A single sequence (T, input) has an output (T, D hidden) and states (D num_layers, hidden). Sequences of
// several lengths come packed (nn/packed_sequence.h).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "nn/module.h"
#include "nn/packed_sequence.h"

namespace hop::nn {

struct RecurrentOptions {
  std::int64_t num_layers = 1;  ///< layer k + 1 reads the outputs of layer k
  bool bias = true;
  /// x and output are (N, T, ..) instead of (T, N, ..). States stay as they are; a single sequence and packed ones have
  /// no such dimensions.
  bool batch_first = false;
  double dropout = 0;  ///< between layers, while training; without effect on one layer
  bool bidirectional = false;
  /// Of an LSTM, above 0 and below hidden_size: each new h is projected to so many numbers (Sak et al., 2014). Then h,
  /// the output and h of a state have this size in place of `hidden`; the steps are not fused.
  std::int64_t proj_size = 0;
  DType dtype = DType::f32;
};

enum class RNNNonlinearity : std::uint8_t { tanh, relu };

struct RNNOptions {
  std::int64_t num_layers = 1;
  RNNNonlinearity nonlinearity = RNNNonlinearity::tanh;
  bool bias = true;
  bool batch_first = false;
  double dropout = 0;
  bool bidirectional = false;
  DType dtype = DType::f32;
};

/// Of a layer: (D num_layers, N, hidden), where D is 2 for a bidirectional layer and 1 otherwise; row l D + 1 is the
/// reverse direction of layer l. Of a cell: (N, hidden).
struct LSTMState {
  Tensor h{};
  Tensor c{};
};
struct LSTMResult {
  Tensor output{};  ///< h of the last layer at each step, (T, N, D hidden); the reverse direction comes second
  LSTMState state{};
};
struct RecurrentResult {
  Tensor output{};  ///< h of the last layer at each step, (T, N, D hidden); the reverse direction comes second
  Tensor h_n{};     ///< (D num_layers, N, hidden)
};

/// Of packed sequences, computed in f32 and rounded once for bf16 and f16. The states have the order from before the
/// packing.
struct PackedLSTMResult {
  PackedSequence output{};
  LSTMState state{};  ///< of each sequence after its own last step
};
struct PackedRecurrentResult {
  PackedSequence output{};
  Tensor h_n{};  ///< of each sequence after its own last step
};

/// The parameters of one layer in one direction. Biases are undefined without `bias`.
struct RecurrentWeights {
  Parameter weight_ih{};  ///< (gates * hidden, input), "weight_ih_l0" or "weight_ih_l0_reverse"
  Parameter weight_hh{};  ///< (gates * hidden, hidden)
  Parameter bias_ih{};    ///< (gates * hidden)
  Parameter bias_hh{};    ///< (gates * hidden)
  Parameter weight_hr{};  ///< (proj, hidden), "weight_hr_l0"; undefined without proj_size
};

/// The common part of the layers below. One product serves the inputs of all steps of a layer.
class Recurrent : public Module {
 public:
  /// Throws IndexError for a layer or direction that is not there.
  const RecurrentWeights& weights(std::int64_t layer = 0, bool reverse = false) const;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string extra_repr() const override;

 protected:
  /// Throws ConfigError for sizes below 1, a dropout outside 0..1, and a proj_size that is not below hidden_size.
  Recurrent(const char* op, std::int64_t gates, std::int64_t input_size, std::int64_t hidden_size,
            const RecurrentOptions& options);
  /// forward() of each layer below. Throws ShapeError for another x or initial state, DtypeError. An undefined
  /// `initial.h` starts from zeros.
  LSTMResult run(const Tensor& x, const LSTMState& initial);
  /// run(), with the hooks around the output.
  LSTMResult call(const Tensor& x, const LSTMState& initial);
  /// The same for packed sequences. Hooks see the rows of the first step of each sequence, of the second, and so on.
  PackedLSTMResult call(const PackedSequence& x, const LSTMState& initial);
  /// Of one layer in one direction: weight_hh, bias_hh and weight_hr, some of which may be undefined.
  struct StepWeights {
    Tensor weight{}, bias{}, projection{};
  };
  /// One layer in one direction: its products with the inputs, (T, N, gates * hidden), and its first state, (N, hidden)
  /// each, become h at each step, (T, N, hidden), and the last state. c is undefined for layers without it.
  virtual LSTMResult sequence(const Tensor& x_gates, const StepWeights& w, const LSTMState& first,
                              bool reverse) const = 0;
  virtual bool has_cell() const { return false; }
  static RecurrentResult without_cell(LSTMResult result) {
    return {std::move(result.output), std::move(result.state.h)};
  }
  static PackedRecurrentResult without_cell(PackedLSTMResult result) {
    return {std::move(result.output), std::move(result.state.h)};
  }

 private:
  std::vector<RecurrentWeights> register_weights(const char* op, std::int64_t gates);
  std::string suffix(std::int64_t row) const;
  /// Of h.
  std::int64_t output_size() const { return options_.proj_size > 0 ? options_.proj_size : hidden_size_; }
  LSTMState start(const Tensor& x, std::int64_t sequences, const LSTMState& initial) const;
  LSTMResult run_single(const Tensor& x, const LSTMState& initial);
  /// All layers over x (.., input), with `direction` for a layer in one direction.
  template <class Direction>
  LSTMResult run_layers(Tensor x, const LSTMState& first, const Direction& direction);
  LSTMResult run_packed(const Tensor& rows, const PackedSequence& x, const LSTMState& initial);

  std::int64_t input_size_, hidden_size_;
  RecurrentOptions options_;
  std::vector<RecurrentWeights> weights_;  // of row l D + d
};

/// Long short-term memory (Hochreiter & Schmidhuber, 1997): x (T, N, input) -> (T, N, D hidden). torch.nn.LSTM.
///
///   auto [output, state] = lstm(x, {});
///   output = lstm(more, state).output;
class LSTM : public Recurrent {
 public:
  LSTM(std::int64_t input_size, std::int64_t hidden_size, const RecurrentOptions& options = {})
      : Recurrent("LSTM", 4, input_size, hidden_size, options) {}

  using Module::operator();
  /// Hooks see the output alone. If one of `initial` is defined, both must be.
  LSTMResult operator()(const Tensor& x, const LSTMState& initial) { return call(x, initial); }
  PackedLSTMResult operator()(const PackedSequence& x, const LSTMState& initial = {}) { return call(x, initial); }
  Tensor forward(const Tensor& x) override { return forward(x, {}).output; }
  LSTMResult forward(const Tensor& x, const LSTMState& initial) { return run(x, initial); }
  std::string type_name() const override { return "LSTM"; }

 protected:
  LSTMResult sequence(const Tensor& x_gates, const StepWeights& w, const LSTMState& first, bool reverse) const override;
  bool has_cell() const override { return true; }
};

/// Gated recurrent unit (Cho et al., 2014), with the reset gate behind the product: x (T, N, input) -> (T, N, D
/// hidden). torch.nn.GRU.
class GRU : public Recurrent {
 public:
  GRU(std::int64_t input_size, std::int64_t hidden_size, const RecurrentOptions& options = {})
      : Recurrent("GRU", 3, input_size, hidden_size, options) {}

  using Module::operator();
  /// Hooks see the output alone.
  RecurrentResult operator()(const Tensor& x, const Tensor& h_0) { return without_cell(call(x, {h_0, {}})); }
  PackedRecurrentResult operator()(const PackedSequence& x, const Tensor& h_0 = {}) {
    return without_cell(call(x, {h_0, {}}));
  }
  Tensor forward(const Tensor& x) override { return forward(x, {}).output; }
  RecurrentResult forward(const Tensor& x, const Tensor& h_0) { return without_cell(run(x, {h_0, {}})); }
  std::string type_name() const override { return "GRU"; }

 protected:
  LSTMResult sequence(const Tensor& x_gates, const StepWeights& w, const LSTMState& first, bool reverse) const override;
};

/// h' = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh), or relu of it (Elman, 1990): x (T, N, input) -> (T, N, D hidden).
/// torch.nn.RNN.
class RNN : public Recurrent {
 public:
  RNN(std::int64_t input_size, std::int64_t hidden_size, const RNNOptions& options = {});

  using Module::operator();
  /// Hooks see the output alone.
  RecurrentResult operator()(const Tensor& x, const Tensor& h_0) { return without_cell(call(x, {h_0, {}})); }
  PackedRecurrentResult operator()(const PackedSequence& x, const Tensor& h_0 = {}) {
    return without_cell(call(x, {h_0, {}}));
  }
  Tensor forward(const Tensor& x) override { return forward(x, {}).output; }
  RecurrentResult forward(const Tensor& x, const Tensor& h_0) { return without_cell(run(x, {h_0, {}})); }
  std::string type_name() const override { return "RNN"; }

 protected:
  LSTMResult sequence(const Tensor& x_gates, const StepWeights& w, const LSTMState& first, bool reverse) const override;

 private:
  RNNNonlinearity nonlinearity_;
};

}  // namespace hop::nn
