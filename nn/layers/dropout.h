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

/// Dropout of whole channels of x (N, C, H, W) (Tompson et al., 2015). torch.nn.Dropout2d, which also takes other
/// dimensions.
class Dropout2d : public Module {
 public:
  /// 0 <= p <= 1; ConfigError otherwise.
  explicit Dropout2d(double p = 0.5);

  /// Throws ShapeError unless x is (N, C, H, W).
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Dropout2d"; }
  std::string extra_repr() const override;

 private:
  double p_;
};

/// While training, sets each element to SELU's limit -1.758.. with probability p, then scales and shifts all so that
/// mean 0 and variance 1 stay (Klambauer et al., 2017). torch.nn.AlphaDropout.
class AlphaDropout : public Module {
 public:
  /// 0 <= p <= 1; ConfigError otherwise. p = 1 gives zeros.
  explicit AlphaDropout(double p = 0.5);

  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "AlphaDropout"; }
  std::string extra_repr() const override;

 private:
  double p_;
};

}  // namespace hop::nn
