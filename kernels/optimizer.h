// Fused optimizer updates: one call for all parameters of a model, one pass over each, no temporaries. Values that
// change from step to step (the learning rate, the step number, whether to stop) lie in tensors and are read when the
// update runs, so that a captured step can be replayed. The formulas are in kernels/update_rules.h. Averages of weights
// are updated in the same way, with the formulas of kernels/average_rules.h.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace hop::kernels {

struct UpdateRule;   // kernels/update_rules.h
struct AverageRule;  // kernels/average_rules.h

/// One parameter of an update; all tensors contiguous, of one shape and floating dtype, on one device.
struct UpdateSegment {
  Tensor parameter{};
  Tensor gradient{};
  std::span<const Tensor> slots{};  ///< as slots_of() names them
  double lr_scale = 1;
  double weight_decay_scale = 1;
};

/// Tensors that an update reads when it runs, on the segments' device.
struct UpdateState {
  Tensor lr{};    ///< () f64; the rule's own lr is not read
  Tensor step{};  ///< () i64: updates made before this one; the update adds one
  Tensor stop{};  ///< () f64 or undefined: if it is not 0, nothing is changed, not even `step`
};

/// The slots that `rule` keeps with its settings.
std::vector<std::string_view> slots_of(const UpdateRule& rule);

/// Updates parameters and slots in place and bumps their versions. Throws ShapeError, DtypeError, DeviceError.
void update(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state);

/// Takes values into averages, in place, and bumps their versions. A segment's `parameter` is an average and its
/// `gradient` the value; it has no slots, and its scales are not read. state.step: how many values the averages have
/// taken in before. state.lr is not read and may be undefined. Throws as update().
void update_averages(const AverageRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state);

/// meter (2) f64: meter[0] += loss * rows; meter[1] becomes 1 if loss () is not below `limit` (NaN counts as not
/// below), and stays 1. Training reads the meter once per unit instead of every loss.
void measure(const Tensor& loss, double rows, double limit, const Tensor& meter);

}  // namespace hop::kernels
