// Fused optimizer updates: one call for all parameters of a model, one pass over each, no temporaries. Values that
// change from step to step (the learning rate, the step number, whether to stop) lie in tensors and are read when the
// update runs, so that a captured step can be replayed.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace hop::kernels {

/// torch.optim.SGD, or torch.optim.Adam and AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019).
struct UpdateRule {
  enum class Method : std::uint8_t { sgd, adam };
  Method method = Method::sgd;
  double weight_decay = 0;
  // sgd
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  // adam
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  bool decoupled = false;  ///< AdamW: decay multiplies the parameters instead of joining the gradient
};

/// One parameter of an update; all tensors contiguous, of one shape and floating dtype, on one device.
struct UpdateSegment {
  Tensor parameter{};
  Tensor gradient{};
  Tensor slot0{};  ///< sgd: the momentum buffer, undefined without momentum; adam: exp_avg
  Tensor slot1{};  ///< adam: exp_avg_sq
  double lr_scale = 1;
  double weight_decay_scale = 1;
};

/// Tensors that an update reads when it runs, on the segments' device.
struct UpdateState {
  Tensor lr{};    ///< () f64
  Tensor step{};  ///< () i64: updates made before this one; the update adds one. The first fills the momentum buffer.
  Tensor stop{};  ///< () f64 or undefined: if it is not 0, nothing is changed, not even `step`
};

/// Updates parameters and slots in place and bumps their versions. Throws ShapeError, DtypeError, DeviceError.
void update(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state);

/// meter (2) f64: meter[0] += loss * rows; meter[1] becomes 1 if loss () is not below `limit` (NaN counts as not
/// below), and stays 1. Training reads the meter once per unit instead of every loss.
void measure(const Tensor& loss, double rows, double limit, const Tensor& meter);

}  // namespace hop::kernels
