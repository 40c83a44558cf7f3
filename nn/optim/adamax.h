// torch.optim.Adamax (Kingma & Ba, 2015, section 7), for a parameter p with the gradient g in step t = 1, 2, ..:
//
//   d <- g + weight_decay p
//   m <- beta1 m + (1 - beta1) d              exp_avg
//   u <- max(beta2 u, |d| + eps)              exp_inf
//   p <- p - lr / (1 - beta1^t) m / u
#pragma once

#include "nn/optim/rule_optimizer.h"

namespace hop::optim {

using AdamaxOptions = kernels::rules::Adamax;
using Adamax = RuleOptimizer<AdamaxOptions>;

}  // namespace hop::optim
