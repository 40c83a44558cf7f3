#include "nn/optim/adam.h"

#include "kernels/optimizer.h"
#include "nn/detail/flat.h"
#include "nn/detail/number.h"

namespace hop::optim {

using nn::detail::flat;

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

void Adam::update(const ParameterSegment& segment, const Tensor& gradient, std::int64_t step) {
  const kernels::AdamStep rule{.lr = lr() * segment.lr_scale,
                               .beta1 = options_.beta1,
                               .beta2 = options_.beta2,
                               .eps = options_.eps,
                               .weight_decay = options_.weight_decay * segment.weight_decay_scale,
                               .decoupled = decoupled_,
                               .step = step};
  const auto run = [&]<class T>(T) {
    kernels::adam_step(flat<T>(segment.parameter), flat<T>(gradient), flat<T>(segment.slots[0]),
                       flat<T>(segment.slots[1]), rule);
  };
  segment.parameter.dtype() == DType::f32 ? run(float{}) : run(double{});
}

}  // namespace hop::optim
