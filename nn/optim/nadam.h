// torch.optim.NAdam (Dozat, "Incorporating Nesterov Momentum into Adam", 2016), for a parameter p with the gradient g
// in step t = 1, 2, .., where b_t = beta1 (1 - 0.96^(t momentum_decay) / 2) and B_t = b_1 b_2 .. b_t:
//
//   d <- g + weight_decay p                   with decoupled_weight_decay: p <- p - lr weight_decay p, d <- g
//   m <- beta1 m + (1 - beta1) d              exp_avg
//   v <- beta2 v + (1 - beta2) d^2            exp_avg_sq
//   p <- p - lr ((1 - b_t) / (1 - B_t) d + b_{t+1} / (1 - B_{t+1}) m) / (sqrt(v / (1 - beta2^t)) + eps)
#pragma once

#include "nn/optim/rule_optimizer.h"

namespace hop::optim {

using NAdamOptions = kernels::rules::NAdam;
using NAdam = RuleOptimizer<NAdamOptions>;

}  // namespace hop::optim
