// Recurrent layers that answer once for a whole sequence.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "nn/layers/recurrent.h"

namespace hop::nn {

namespace detail {

/// What each direction knows at the end, from its output at every step: (N, T, D hidden) -> (N, D hidden).
Tensor last_state(const Tensor& output, bool is_bidirectional);

}  // namespace detail

/// An LSTM, a GRU or an RNN that gives the last state of its last layer: x (N, T, input) -> (N, D hidden). The forward
/// direction ends at the last step, and the reverse one, which comes second, at the first. Options as those of `Layer`,
/// whose batch_first must be true (ConfigError).
template <class Layer>
class LastState : public Layer {
 public:
  template <class Options>
  LastState(std::int64_t input_size, std::int64_t hidden_size, const Options& options)
      : Layer(input_size, hidden_size, options), is_bidirectional_(options.bidirectional) {
    if (!options.batch_first) throw ConfigError("[LastState] expected batch_first = true, got false");
  }

  /// With x alone: a call with a state, or of packed sequences, would give all steps. `Layer` has these calls.
  using Module::operator();
  /// Throws ShapeError unless x is (N, T, input), DtypeError.
  Tensor forward(const Tensor& x) override { return detail::last_state(Layer::forward(x), is_bidirectional_); }
  std::string extra_repr() const override { return Layer::extra_repr() + ", last_state=True"; }

 private:
  bool is_bidirectional_;
};

}  // namespace hop::nn
