#include "nn/optim/sgd.h"

#include <cmath>

#include "base/error.h"
#include "base/words.h"
#include "nn/detail/number.h"

namespace hop::optim {

SGD::SGD(const ParameterList& parameters, SGDOptions options)
    : Optimizer(parameters,
                options.momentum == 0 ? std::vector<std::string>{} : std::vector<std::string>{"momentum_buffer"},
                options.lr),
      options_(options) {
  using nn::detail::check_range;
  check_range("SGD", "lr", options.lr, {.min = 0});
  check_range("SGD", "momentum", options.momentum, {.min = 0});
  check_range("SGD", "weight_decay", options.weight_decay, {.min = 0});
  if (!std::isfinite(options.dampening)) {
    throw ConfigError("[SGD] expected a finite dampening, got " + shortest(options.dampening));
  }
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0)) {
    throw ConfigError("[SGD] nesterov expects momentum above 0 and no dampening, got momentum " +
                      shortest(options.momentum) + " and dampening " + shortest(options.dampening));
  }
}

kernels::UpdateRule SGD::rule() const {
  return {.method = kernels::UpdateRule::Method::sgd,
          .weight_decay = options_.weight_decay,
          .momentum = options_.momentum,
          .dampening = options_.dampening,
          .nesterov = options_.nesterov};
}

}  // namespace hop::optim
