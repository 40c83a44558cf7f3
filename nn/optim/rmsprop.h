// torch.optim.RMSprop (Tieleman & Hinton, 2012), for a parameter p with the gradient g:
//
//   d <- g + weight_decay p
//   v <- alpha v + (1 - alpha) d^2            square_avg
//   m <- alpha m + (1 - alpha) d              grad_avg, if centered; then v - m^2 (at least 0) stands for v below
//   b <- momentum b + d / (sqrt(v) + eps)     momentum_buffer; without momentum no such slot
//   p <- p - lr b
#pragma once

#include "nn/optim/rule_optimizer.h"

namespace hop::optim {

using RMSpropOptions = kernels::rules::RmsProp;
using RMSprop = RuleOptimizer<RMSpropOptions>;

}  // namespace hop::optim
