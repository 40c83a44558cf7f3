// torch.optim.swa_utils.AveragedModel: a second model whose weights are an average of those that a model has in
// training, for validation and for use.
//
//   optim::AveragedModel average(model, {.decay = 0.999});
//   ...
//   adam.step();
//   average.update_parameters(model);  // after each step, or after each epoch
//   ...
//   average.module().eval();
//   average(x);
#pragma once

#include <optional>
#include <span>

#include "nn/clone.h"
#include "nn/module.h"

namespace hop::optim {

struct AveragedModelOptions {
  /// With: an exponential moving average (EMA), a <- decay a + (1 - decay) w; in 0..1. Without: the mean of all (SWA,
  /// Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018).
  std::optional<double> decay = std::nullopt;
  /// Whether buffers (running statistics) are averaged, too; otherwise they are copied. Integers are always copied.
  bool use_buffers = false;
};

namespace detail {

/// The tensors of an average.
class Averages {
 public:
  /// Throws ConfigError for a decay out of range.
  Averages(nn::StateDict parameters, nn::StateDict buffers, AveragedModelOptions options);
  /// Throws StateError for a model with other names or shapes.
  void update(const nn::Module& model);
  /// Takes in the present values of tensors with the names and shapes of the averages. stop: () f64, or undefined for
  /// none; while it is not 0, nothing changes.
  /// One fused pass over all contiguous tensors of f32 or f64 (kernels::update_averages); tensor operations for others.
  void update(const nn::StateDict& parameters, const nn::StateDict& buffers, const Tensor& stop);
  const nn::StateDict& parameters() const { return parameters_; }
  /// Calls of update(): () i64.
  const Tensor& count() const { return count_; }

 private:
  /// A tensor of the average and what it takes in.
  struct Pair {
    Tensor own, now;
  };
  bool is_fused(const Pair& pair) const;
  void mix(std::span<const Pair> pairs, const Tensor& is_stopped) const;

  AveragedModelOptions options_;
  nn::StateDict parameters_, buffers_;
  Tensor count_;
};

}  // namespace detail

/// The average of a model of type M. nn::clone() makes it, so the model shares nothing with it.
template <class M>
class AveragedModel {
 public:
  /// Throws ConfigError as nn::clone(), and for a decay out of range.
  explicit AveragedModel(const M& model, AveragedModelOptions options = {})
      : average_(nn::clone(model)), averages_(average_.named_parameters(), average_.named_buffers(), options) {}

  /// Takes in the present weights of `model`; the first call copies them. Reads nothing on the host, so it may be part
  /// of a captured step. Throws StateError for a model with other names or shapes.
  void update_parameters(const nn::Module& model) { averages_.update(model); }
  /// Calls of update_parameters(): () i64 on the model's device.
  const Tensor& n_averaged() const { return averages_.count(); }

  M& module() { return average_; }
  Tensor operator()(const Tensor& x) { return average_(x); }

 private:
  M average_;
  detail::Averages averages_;
};

}  // namespace hop::optim
