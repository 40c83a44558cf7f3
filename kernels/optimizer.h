// Fused optimizer updates over flat ranges of a state block: one pass, no temporaries.
// Every span has the same length; parameters and slots are updated in place.
#pragma once

#include <cstdint>
#include <span>

namespace hop::kernels {

struct SgdStep {
  double lr = 0.1;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool first_step = false;  ///< the momentum buffer starts as the gradient (PyTorch)
};
/// torch.optim.SGD. `momentum` may be empty when step.momentum == 0.
void sgd_step(std::span<float> parameters, std::span<const float> gradients, std::span<float> momentum,
              const SgdStep& step);
void sgd_step(std::span<double> parameters, std::span<const double> gradients, std::span<double> momentum,
              const SgdStep& step);

struct AdamStep {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  ///< AdamW: decay multiplies the parameters instead of joining the gradient
  std::int64_t step = 1;   ///< counts from 1, for the bias corrections
};
/// torch.optim.Adam and AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019).
void adam_step(std::span<float> parameters, std::span<const float> gradients, std::span<float> exp_avg,
               std::span<float> exp_avg_sq, const AdamStep& step);
void adam_step(std::span<double> parameters, std::span<const double> gradients, std::span<double> exp_avg,
               std::span<double> exp_avg_sq, const AdamStep& step);

}  // namespace hop::kernels
