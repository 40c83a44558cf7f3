#pragma once

#include "nn/module.h"

namespace hop::nn {

/// While training, sets each element to zero with probability p and scales the others by 1 / (1 - p) (Srivastava et
/// al., 2014); the identity in evaluation. Takes its numbers from the root's random address: see
/// Module::set_random_key.
class Dropout : public Module {
 public:
  /// 0 <= p <= 1; ConfigError otherwise.
  explicit Dropout(double p = 0.5);

  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Dropout"; }
  std::string extra_repr() const override;

 private:
  double p_;
};

}  // namespace hop::nn
