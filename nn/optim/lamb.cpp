#include "nn/optim/lamb.h"

#include "autograd/ops.h"
#include "nn/detail/settings.h"

namespace hop::optim {

LAMB::LAMB(const ParameterList& parameters, LAMBOptions options)
    : Optimizer(parameters, {"exp_avg", "exp_avg_sq"}, options.lr), options_(options) {
  nn::detail::check_settings(options_);
}

void LAMB::step() {
  const NoGradGuard no_grad;
  const double beta1 = options_.beta1, beta2 = options_.beta2;
  const Tensor number = to(step_tensor(), DType::f64) + 1.0;  // 1 in the first step
  const Tensor correction1 = 1.0 - pow(beta1, number), correction2 = sqrt(1.0 - pow(beta2, number));
  for (const kernels::UpdateSegment& u : updates()) {
    const Tensor &p = u.parameter, &average = u.slots[0], &squares = u.slots[1];
    const Tensor g = options_.maximize ? -u.gradient : u.gradient;
    write(average, average * beta1 + g * (1 - beta1));
    write(squares, squares * beta2 + g * g * (1 - beta2));
    const Tensor change = average / correction1 / (sqrt(squares) / correction2 + options_.eps) +
                          p * (options_.weight_decay * u.weight_decay_scale);
    const Tensor length = norm(p), change_length = norm(change);  // ()
    const Tensor ratio = where(logical_and(gt(length, 0), gt(change_length, 0)), length / change_length, 1.0);
    write(p, p - lr_tensor() * u.lr_scale * ratio * change);
  }
  count_step();
}

}  // namespace hop::optim
