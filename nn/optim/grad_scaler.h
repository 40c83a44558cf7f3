// Loss scaling: torch.amp.GradScaler. Gradients below 2^-24 are 0 in f16, so the loss is multiplied by a large number
// before backward(), and the gradients are divided by it before the step. A scale that is too large makes gradients
// infinite: then the step is left out and the scale is lowered. After a row of good steps it is raised.
//
//   optim::GradScaler scaler(adam);
//   adam.zero_grad();
//   backward(scaler.scale(cross_entropy(net(x), y)));
//   scaler.unscale_();                       // only where something is to be done with the gradients before the step
//   nn::clip_grad_norm_(net, 1.0);
//   scaler.step();
//   scaler.update();
#pragma once

#include <cstdint>

#include "nn/optim/optimizer.h"

namespace hop::optim {

/// The names and defaults are PyTorch's.
struct GradScalerOptions {
  double init_scale = 65536;
  double growth_factor = 2;     ///< above 1
  double backoff_factor = 0.5;  ///< above 0, below 1
  std::int64_t growth_interval = 2000;
  bool enabled = true;  ///< false: scale() returns the loss, step() is the optimizer's, update() does nothing
};

/// Nothing is read on the host, so all of it may be part of a captured step. The scale (f32) and the number of good
/// steps since it last changed (i32) travel with the optimizer's state, as "grad_scaler.scale" and
/// "grad_scaler.growth_tracker": make the scaler before the state block.
///
/// Differences to PyTorch: a scaler belongs to one optimizer, which outlives it. step() is always called, and the
/// optimizer's flag (stop_when) keeps it from changing anything; a flag that was set before counts, too. While the
/// scaler lives, a step of the optimizer alone sees that flag as it was at the last update(). When the scaler dies, the
/// optimizer has its own flag and its own state again. The scaler's tensors are part of the optimizer's state:
/// load_state() expects them with a scaler and refuses them without one. So load a state that was saved without a
/// scaler before you make the scaler, and take both names out of a state that goes to an optimizer without one.
///
/// All throw StateError for a call out of turn: unscale_() or step() twice before update(), update() before step().
class GradScaler {
 public:
  /// Throws ConfigError for options out of range, and if the optimizer has a scaler.
  explicit GradScaler(Optimizer& optimizer, const GradScalerOptions& options = {});
  GradScaler(const GradScaler&) = delete;
  GradScaler& operator=(const GradScaler&) = delete;
  ~GradScaler();

  /// loss * scale, to be differentiated.
  Tensor scale(const Tensor& loss) const;
  /// Divides all gradients by the scale and notes whether one is infinite or NaN.
  void unscale_();
  /// unscale_() if it was not called, and the optimizer's step, unless a gradient is infinite or NaN. Throws StateError
  /// if no parameter was given a gradient; afterwards the next call may be unscale_() or step().
  void step();
  /// The scale of the next step.
  void update();

  /// () f32, on the parameters' device.
  const Tensor& scale_tensor() const { return scale_; }
  /// Waits for the device. 1 if the scaler is not enabled.
  double get_scale() const;
  bool is_enabled() const { return options_.enabled; }

 private:
  enum class Stage : std::uint8_t { ready, unscaled, stepped };
  void expect(const char* op, bool allowed, const char* why) const;

  Optimizer& optimizer_;
  GradScalerOptions options_;
  Tensor scale_;           // () f32
  Tensor growth_tracker_;  // () i32
  Tensor found_inf_;       // () f64: 1 if a gradient of this step is infinite or NaN
  Tensor stop_;            // () f64: the optimizer's flag
  Tensor outer_stop_;      // the flag that the optimizer had before; undefined if it had none
  Stage stage_ = Stage::ready;
  bool has_gradients_ = false;  // at the last unscale_()
};

}  // namespace hop::optim
