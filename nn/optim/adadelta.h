// torch.optim.Adadelta (Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012), for a parameter p with the
// gradient g:
//
//   d <- g + weight_decay p
//   v <- rho v + (1 - rho) d^2                square_avg
//   s <- sqrt(u + eps) / sqrt(v + eps) d
//   u <- rho u + (1 - rho) s^2                acc_delta
//   p <- p - lr s
#pragma once

#include "nn/optim/rule_optimizer.h"

namespace hop::optim {

using AdadeltaOptions = kernels::rules::Adadelta;
using Adadelta = RuleOptimizer<AdadeltaOptions>;

}  // namespace hop::optim
