#include "nn/clip_grad.h"

#include "autograd/ops.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "nn/detail/number.h"
#include "tensor/autograd_slot.h"
#include "tensor/dependencies.h"

namespace hop::nn {
namespace {

// A write would make a gradient of zeros count as given, and the optimizer would move its parameter.
std::vector<Tensor> given_gradients(const std::vector<Tensor>& parameters) {
  std::vector<Tensor> given;
  for (const Tensor& p : parameters) {
    if (Dependencies* step = Dependencies::current()) step->add_gradient(p, GradientUse::asked);
    if (!p.ensure_autograd_slot().gradient.is_given()) continue;
    const Tensor gradient = p.grad();
    if (gradient.numel() != 0) given.push_back(gradient);
  }
  return given;
}

}  // namespace

Tensor clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type) {
  detail::check_range("clip_grad_norm_", "max_norm", max_norm, {.min = 0});
  const NoGradGuard no_grad;
  const std::vector<Tensor> gradients = given_gradients(parameters);
  if (gradients.empty()) return parameters.empty() ? zeros({}) : zeros({}, {.device = parameters.front().device()});
  std::vector<Tensor> norms;
  for (const Tensor& gradient : gradients) norms.push_back(norm(gradient, norm_type));
  const Tensor total = norm(stack(norms), norm_type);
  const Tensor factor = minimum(max_norm / (total + 1e-6), 1.0);
  for (const Tensor& gradient : gradients) {
    const Tensor own_factor = to(factor, gradient.dtype());
    if (kernels::can_evaluate_into(gradient))
      kernels::evaluate_into(gradient, kernels::rows::Mul{}, gradient, own_factor);
    else
      kernels::copy_(gradient, gradient * own_factor);
  }
  return total;
}

Tensor clip_grad_norm_(const Module& module, double max_norm, double norm_type) {
  return clip_grad_norm_(module.parameters(), max_norm, norm_type);
}

void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value) {
  detail::check_range("clip_grad_value_", "clip_value", clip_value, {.min = 0});
  const NoGradGuard no_grad;
  for (const Tensor& gradient : given_gradients(parameters))
    kernels::copy_(gradient, clamp(gradient, -clip_value, clip_value));
}

void clip_grad_value_(const Module& module, double clip_value) { clip_grad_value_(module.parameters(), clip_value); }

}  // namespace hop::nn
