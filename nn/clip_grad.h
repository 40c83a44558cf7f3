// Limits for gradients, between backward() and the optimizer's step: torch.nn.utils.clip_grad_norm_ and
// clip_grad_value_. Both change the gradients in place, read nothing on the host, and may be part of a captured step. A
// parameter that was given no gradient stays without one.
#pragma once

#include <vector>

#include "nn/module.h"
#include "tensor/tensor.h"

namespace hop::nn {

/// Scales all gradients by min(1, max_norm / (n + 1e-6)), where n is the norm of all their elements together: the
/// `norm_type`-norm, for infinity the largest |g|. Returns n (), as it was before; 0 without a gradient. As in PyTorch
/// a norm that is NaN or infinite makes gradients NaN. Throws ConfigError unless max_norm is finite and at least 0,
/// DeviceError for gradients on several devices.
Tensor clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type = 2);
Tensor clip_grad_norm_(const Module& module, double max_norm, double norm_type = 2);

/// Limits each element of all gradients to -clip_value .. clip_value. Throws ConfigError unless clip_value is finite
/// and at least 0.
void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value);
void clip_grad_value_(const Module& module, double clip_value);

}  // namespace hop::nn
