// torch.optim.RAdam (Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020), for a parameter p
// with the gradient g in step t = 1, 2, .., where R = 2 / (1 - beta2) - 1 and r_t = R - 2 t beta2^t / (1 - beta2^t):
//
//   d <- g + weight_decay p                   with decoupled_weight_decay: p <- p - lr weight_decay p, d <- g
//   m <- beta1 m + (1 - beta1) d              exp_avg
//   v <- beta2 v + (1 - beta2) d^2            exp_avg_sq
//   p <- p - lr m / (1 - beta1^t)             while r_t <= 5; later times the factor
//     sqrt((r_t - 4) (r_t - 2) R / ((R - 4) (R - 2) r_t)) sqrt(1 - beta2^t) / (sqrt(v) + eps)
#pragma once

#include "nn/optim/rule_optimizer.h"

namespace hop::optim {

using RAdamOptions = kernels::rules::RAdam;
using RAdam = RuleOptimizer<RAdamOptions>;

}  // namespace hop::optim
