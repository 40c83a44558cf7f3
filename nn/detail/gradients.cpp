#include "nn/detail/gradients.h"

#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "tensor/autograd_slot.h"
#include "tensor/dependencies.h"

namespace hop::nn::detail {

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

void scale_gradient(const Tensor& gradient, const Tensor& factor) {
  const Tensor own_factor = kernels::cast(factor, gradient.dtype());
  if (kernels::can_evaluate_into(gradient))
    kernels::evaluate_into(gradient, kernels::rows::Mul{}, gradient, own_factor);
  else
    kernels::copy_(gradient, kernels::mul(gradient, own_factor));
}

}  // namespace hop::nn::detail
