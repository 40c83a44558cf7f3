// torch.optim.Adagrad (Duchi et al., 2011), for a parameter p with the gradient g in step t = 1, 2, ..:
//
//   d <- g + weight_decay p
//   s <- s + d^2                              sum, without initial_accumulator_value
//   p <- p - lr / (1 + (t - 1) lr_decay) d / (sqrt(initial_accumulator_value + s) + eps)
#pragma once

#include "nn/optim/rule_optimizer.h"

namespace hop::optim {

using AdagradOptions = kernels::rules::Adagrad;
using Adagrad = RuleOptimizer<AdagradOptions>;

}  // namespace hop::optim
