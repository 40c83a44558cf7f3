// torch.optim.SGD (Sutskever et al., 2013), for a parameter p with the gradient g:
//
//   d <- g + weight_decay p
//   b <- momentum b + (1 - dampening) d       momentum_buffer; d in the first step; no such slot without momentum
//   p <- p - lr b                             nesterov: p - lr (d + momentum b); without momentum: p - lr d
#pragma once

#include "nn/optim/rule_optimizer.h"

namespace hop::optim {

using SGDOptions = kernels::rules::Sgd;
using SGD = RuleOptimizer<SGDOptions>;

}  // namespace hop::optim
