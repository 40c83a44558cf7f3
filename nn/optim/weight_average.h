// The average of the weights that an optimizer updates, as a part of the optimizer's state: an exponential moving
// average (EMA), or the mean of all weights that it was given (SWA). A state block that is made later takes it in, so
// it hops, is saved and is resumed with the model. Unlike AveragedModel it needs no second module: the module itself
// computes with the averages while a Scope lives.
//
//   optim::WeightAverage average(adam, 0.999);
//   nn::StateBlock state(model, &adam);
//   ...
//   adam.step();
//   average.update();
//   ...
//   const optim::WeightAverage::Scope averaged(average);
//   model(x);  // with the averages
#pragma once

#include <optional>
#include <vector>

#include "nn/optim/averaged_model.h"
#include "nn/optim/optimizer.h"

namespace hop::optim {

class WeightAverage {
 public:
  /// From now on the optimizer carries "average.<parameter>", with the present values of its parameters, and
  /// "n_averaged", also when the average has died (Optimizer::drop() ends that). decay: as AveragedModelOptions::decay.
  /// `optimizer` outlives the average. Throws ConfigError for a decay out of 0..1, and as Optimizer::carry().
  explicit WeightAverage(Optimizer& optimizer, std::optional<double> decay = std::nullopt);

  /// After each Optimizer::step(), or after each epoch: takes in the present weights; the first call copies them. One
  /// pass over weights and averages. Changes nothing while the optimizer's stop_flag() is set. Reads nothing on the
  /// host, so it may be part of a captured step. With a GradScaler call it, after a step, between the scaler's step()
  /// and its update(), which puts the flag back; after an epoch, at any time, unless its loss was lost.
  void update() { averages_.update(weights_, {}, optimizer_->stop_flag()); }
  /// Begins anew: the averages are the present weights.
  void reset();
  /// The weights take the values of the averages.
  void write_to_weights() const;
  /// "weight", "bias", ..: tensors of the parameters' shapes and dtypes, on their device.
  const nn::StateDict& averages() const { return averages_.parameters(); }
  /// Calls of update() since the start: () i64.
  const Tensor& n_averaged() const { return averages_.count(); }

  /// While it lives, the weights have the values of the averages. Then they have their own again, bit for bit.
  class Scope {
   public:
    /// `average` outlives the scope.
    explicit Scope(const WeightAverage& average);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    const WeightAverage& average_;
    std::vector<Tensor> own_;  // the weights before
  };

 private:
  Optimizer* optimizer_;
  nn::StateDict weights_;
  detail::Averages averages_;
};

}  // namespace hop::optim
