#include "nn/optim/adam.h"

#include "nn/detail/number.h"

namespace hop::optim {

Adam::Adam(const ParameterList& parameters, AdamOptions options, bool decoupled)
    : Optimizer(parameters, {"exp_avg", "exp_avg_sq"}, options.lr), options_(options), decoupled_(decoupled) {
  using nn::detail::check_range;
  const char* op = decoupled ? "AdamW" : "Adam";
  check_range(op, "lr", options.lr, {.min = 0});
  check_range(op, "beta1", options.beta1, {.min = 0, .below = 1});
  check_range(op, "beta2", options.beta2, {.min = 0, .below = 1});
  check_range(op, "eps", options.eps, {.min = 0});
  check_range(op, "weight_decay", options.weight_decay, {.min = 0});
}

AdamW::AdamW(const ParameterList& parameters, AdamWOptions options)
    : Adam(parameters, {options.lr, options.beta1, options.beta2, options.eps, options.weight_decay}, true) {}

kernels::UpdateRule Adam::rule() const {
  return {.method = kernels::UpdateRule::Method::adam,
          .weight_decay = options_.weight_decay,
          .beta1 = options_.beta1,
          .beta2 = options_.beta2,
          .eps = options_.eps,
          .decoupled = decoupled_};
}

}  // namespace hop::optim
