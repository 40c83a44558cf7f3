// The gradients that an optimizer's step will read.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace hop::nn::detail {

/// Those that were given since they were zeroed, without empty ones. (A write to a gradient of zeros would make it
/// count as given, and the optimizer would move its parameter.)
std::vector<Tensor> given_gradients(const std::vector<Tensor>& parameters);

/// gradient *= factor () in place, in the gradient's dtype.
void scale_gradient(const Tensor& gradient, const Tensor& factor);

}  // namespace hop::nn::detail
