#pragma once

#include "nn/optim/optimizer.h"

namespace hop::optim {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< joins the gradient (L2)
};

/// torch.optim.Adam (Kingma & Ba, 2015). Slots: exp_avg, exp_avg_sq.
class Adam : public Optimizer {
 public:
  explicit Adam(const ParameterList& parameters, AdamOptions options = {}) : Adam(parameters, options, false) {}

 protected:
  Adam(const ParameterList& parameters, AdamOptions options, bool decoupled);
  kernels::UpdateRule rule() const override;

 private:
  AdamOptions options_;
  bool decoupled_;
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;  ///< shrinks the parameters directly
};

/// torch.optim.AdamW: Adam with decoupled weight decay (Loshchilov & Hutter, 2019).
class AdamW : public Adam {
 public:
  explicit AdamW(const ParameterList& parameters, AdamWOptions options = {});
};

}  // namespace hop::optim
