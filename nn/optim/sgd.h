#pragma once

#include "nn/optim/optimizer.h"

namespace hop::optim {

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;  ///< needs momentum > 0 and no dampening
};

/// torch.optim.SGD: b <- momentum b + (1 - dampening) g; p <- p - lr b (Sutskever et al., 2013). No slot without
/// momentum.
class SGD : public Optimizer {
 public:
  explicit SGD(const ParameterList& parameters, SGDOptions options = {});

 protected:
  kernels::UpdateRule rule() const override;

 private:
  SGDOptions options_;
};

}  // namespace hop::optim
