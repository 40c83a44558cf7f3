// The sums of a metric that an application brought. Internal to Hopscotch.
#pragma once

#include "nn/metric.h"

namespace hop::hopper {

/// The shape of a metric's sums. Throws ConfigError unless it is () or (k) with k > 0, and the same for one row less or
/// more: sums of another shape were not summed over the rows.
Shape shape_of_sums(const nn::Metric& metric, const Tensor& output, const Tensor& target);

}  // namespace hop::hopper
