// The functions that a device supplies for kernels/optimizer.h.
#pragma once

#include <span>

#include "kernels/operations_internal.h"
#include "kernels/optimizer.h"

namespace hop::kernels {

struct OptimizerOperations {
  static const OptimizerOperations cpu, cuda;

  /// One update of all segments.
  void (*update)(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state);
  /// One update of all averages. state.lr may be undefined.
  void (*update_averages)(const AverageRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state);
  /// meter (2) f64: meter[0] += loss * rows; meter[1] = 1 where loss is not below `limit` (NaN is not).
  void (*measure)(const Tensor& loss, double rows, double limit, const Tensor& meter);
};

}  // namespace hop::kernels
