// Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023), for a parameter p with the gradient g:
//
//   p <- p - lr weight_decay p - lr sign(beta1 m + (1 - beta1) g)
//   m <- beta2 m + (1 - beta2) g              exp_avg
//
// All elements move by the same lr, so lr is a tenth to a third of Adam's.
#pragma once

#include "nn/optim/rule_optimizer.h"

namespace hop::optim {

using LionOptions = kernels::rules::Lion;
using Lion = RuleOptimizer<LionOptions>;

}  // namespace hop::optim
