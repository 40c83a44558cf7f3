// ReduceLROnPlateau as a part of an optimizer's state: a state block that is made later takes it in, so it hops, is
// saved and is resumed with the model.
//
//   optim::CarriedPlateau plateau(adam, {.patience = 2});
//   nn::StateBlock state(model, &adam);
//   ...
//   adam.set_lr(plateau.rate(1e-3));  // before the steps of an epoch
//   ...
//   plateau.step(valid_loss, 1e-3);  // after the epoch
#pragma once

#include <cstdint>

#include "nn/optim/optimizer.h"
#include "nn/optim/scheduler.h"

namespace hop::optim {

/// Remembers what ReduceLROnPlateau::State holds, and how often the rate was lowered. The rate itself follows from the
/// first one, which is an argument and no part of the state.
class CarriedPlateau {
 public:
  /// From now on the optimizer carries "plateau": (4) i64. `optimizer` outlives it. Throws ConfigError as
  /// ReduceLROnPlateau and Optimizer::carry().
  CarriedPlateau(Optimizer& optimizer, ReduceLROnPlateauOptions options);

  /// For another model with the same state layout. Throws as the constructor.
  void set_options(ReduceLROnPlateauOptions options);
  /// The rate that `first` has become: lowered as often as the state says. Reads the state on the host.
  double rate(double first) const;
  /// ReduceLROnPlateau::step() with the metric of one more epoch, of an optimizer whose rate was `first` at the start.
  /// Writes the state. Leaves the optimizer's rate lowered. Returns whether it was lowered now.
  bool step(double metric, double first);

 private:
  struct Memory {
    ReduceLROnPlateau::State state{};
    std::int64_t lowered = 0;
  };
  Memory read() const;
  void write(const Memory& memory);

  Optimizer& optimizer_;
  ReduceLROnPlateauOptions options_;
  Tensor memory_;  // (4) i64: the bits of the best metric, then three counts. As integers nothing averages them
};

}  // namespace hop::optim
