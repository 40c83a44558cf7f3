// torch.optim.Adam (Kingma & Ba, 2015) and AdamW (Loshchilov & Hutter, 2019), for a parameter p with the gradient g in
// step t = 1, 2, ..:
//
//   d <- g + weight_decay p                   Adam
//   p <- p - lr weight_decay p,  d <- g       AdamW
//   m <- beta1 m + (1 - beta1) d              exp_avg
//   v <- beta2 v + (1 - beta2) d^2            exp_avg_sq
//   p <- p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
//
// With amsgrad (Reddi et al., "On the Convergence of Adam and Beyond", 2018) the last line has max_exp_avg_sq, the
// largest v so far, in place of v; otherwise there is no such slot.
#pragma once

#include "nn/optim/rule_optimizer.h"

namespace hop::optim {

using AdamOptions = kernels::rules::Adam;
using Adam = RuleOptimizer<AdamOptions>;

using AdamWOptions = kernels::rules::AdamW;
using AdamW = RuleOptimizer<AdamWOptions>;

}  // namespace hop::optim
