#include "nn/optim/sgd.h"

#include "base/error.h"
#include "kernels/optimizer.h"
#include "nn/detail/flat.h"
#include "nn/detail/number.h"

namespace hop::optim {

using nn::detail::flat;

SGD::SGD(const ParameterList& parameters, SGDOptions options)
    : Optimizer(parameters,
                options.momentum == 0 ? std::vector<std::string>{} : std::vector<std::string>{"momentum_buffer"},
                options.lr),
      options_(options) {
  using nn::detail::check_range;
  check_range("SGD", "lr", options.lr, {.min = 0});
  check_range("SGD", "momentum", options.momentum, {.min = 0});
  check_range("SGD", "weight_decay", options.weight_decay, {.min = 0});
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0)) {
    throw ConfigError("[SGD] nesterov expects momentum above 0 and no dampening, got momentum " +
                      nn::detail::number_text(options.momentum) + " and dampening " +
                      nn::detail::number_text(options.dampening));
  }
}

void SGD::update(const ParameterSegment& segment, const Tensor& gradient, std::int64_t step) {
  const kernels::SgdStep rule{.lr = lr() * segment.lr_scale,
                              .momentum = options_.momentum,
                              .dampening = options_.dampening,
                              .weight_decay = options_.weight_decay * segment.weight_decay_scale,
                              .nesterov = options_.nesterov,
                              .first_step = step == 1};
  const auto run = [&]<class T>(T) {
    const std::span<T> momentum = segment.slots.empty() ? std::span<T>() : flat<T>(segment.slots[0]);
    kernels::sgd_step(flat<T>(segment.parameter), flat<T>(gradient), momentum, rule);
  };
  segment.parameter.dtype() == DType::f32 ? run(float{}) : run(double{});
}

}  // namespace hop::optim
