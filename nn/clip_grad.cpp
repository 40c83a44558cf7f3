#include "nn/clip_grad.h"

#include "autograd/ops.h"
#include "kernels/copy.h"
#include "nn/detail/gradients.h"
#include "nn/detail/number.h"

namespace hop::nn {
using detail::given_gradients;

Tensor clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type) {
  detail::check_range("clip_grad_norm_", "max_norm", max_norm, {.min = 0});
  const NoGradGuard no_grad;
  const std::vector<Tensor> gradients = given_gradients(parameters);
  if (gradients.empty()) return parameters.empty() ? zeros({}) : zeros({}, {.device = parameters.front().device()});
  std::vector<Tensor> norms;
  for (const Tensor& gradient : gradients) norms.push_back(norm(gradient, norm_type));
  const Tensor total = norm(stack(norms), norm_type);
  const Tensor factor = minimum(max_norm / (total + 1e-6), 1.0);
  for (const Tensor& gradient : gradients) detail::scale_gradient(gradient, factor);
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
