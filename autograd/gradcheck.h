// Checks that a gradient agrees with the slope. For authors of operations, Functions and modules.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace hop::testing {

using DifferentiableFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

struct GradcheckOptions {
  double eps = 1e-6;   ///< the step of the central difference
  double atol = 1e-6;  ///< |analytic - numeric| may be atol + rtol |numeric|
  double rtol = 1e-5;
};

struct GradcheckReport {
  bool ok = true;
  double worst = 0;       ///< the largest |analytic - numeric| / (atol + rtol |numeric|); wrong if above 1
  std::string message{};  ///< its place: "d output 0 [3] / d input 1 [0, 2]: analytic 0.5, numeric 0.25 (slope of ...)"
  explicit operator bool() const { return ok; }
};

/// Compares the whole Jacobian of `fn` at `inputs`, element by element, with central differences. Inputs that require a
/// gradient must be f64 leaves with any strides whose elements do not overlap (DtypeError, AutogradError). fn must be a
/// function of its inputs alone and smooth there. Freed memory is filled with NaN first, so that an unwritten gradient
/// shows.
GradcheckReport gradcheck(const DifferentiableFunction& fn, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});

/// The same for the gradient itself: the gradient under create_graph must agree with the slope of `fn`, and its
/// derivative with the slope of the gradient.
GradcheckReport gradgradcheck(const DifferentiableFunction& fn, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options = {});

/// Fills freed blocks of about `bytes` with NaN patterns, so that the next tensors of that size start poisoned.
void poison_free_memory(std::size_t bytes);

}  // namespace hop::testing
