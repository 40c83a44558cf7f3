#pragma once

#include <optional>

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
  /// Whether forward() changes anything: while training, with p > 0.
  bool is_active() const { return is_training() && p_ > 0; }
  double p() const { return p_; }
  /// For operations that drop inside: draws the address with which forward() would drop now. If a call of the layer is
  /// more than forward() (hooks, another module in its place), draws nothing and returns none: call the layer instead.
  std::optional<RandomAddress> next_address();
  std::string type_name() const override { return "Dropout"; }
  std::string extra_repr() const override;

 private:
  double p_;
};

/// Dropout of whole channels of x (N, C, ..) (Tompson et al., 2015): the common part of the layers below.
class ChannelDropout : public Module {
 public:
  /// Throws ShapeError for another number of dimensions.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return name_; }
  std::string extra_repr() const override;

 protected:
  /// 0 <= p <= 1; ConfigError otherwise. `form` is "(N, C, L)", of an x of `dims` dimensions.
  ChannelDropout(const char* name, const char* form, int dims, double p);

 private:
  const char *name_, *form_;
  int dims_;
  double p_;
};

/// x (N, C, L). torch.nn.Dropout1d, which also takes other dimensions.
class Dropout1d : public ChannelDropout {
 public:
  explicit Dropout1d(double p = 0.5) : ChannelDropout("Dropout1d", "(N, C, L)", 3, p) {}
};
/// x (N, C, H, W). torch.nn.Dropout2d, which also takes other dimensions.
class Dropout2d : public ChannelDropout {
 public:
  explicit Dropout2d(double p = 0.5) : ChannelDropout("Dropout2d", "(N, C, H, W)", 4, p) {}
};
/// x (N, C, D, H, W). torch.nn.Dropout3d, which also takes other dimensions.
class Dropout3d : public ChannelDropout {
 public:
  explicit Dropout3d(double p = 0.5) : ChannelDropout("Dropout3d", "(N, C, D, H, W)", 5, p) {}
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

/// AlphaDropout of whole channels of x (N, C, ..). torch.nn.FeatureAlphaDropout.
class FeatureAlphaDropout : public Module {
 public:
  /// 0 <= p <= 1; ConfigError otherwise. p = 1 gives zeros.
  explicit FeatureAlphaDropout(double p = 0.5);

  /// Throws ShapeError for fewer than two dimensions.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "FeatureAlphaDropout"; }
  std::string extra_repr() const override;

 private:
  double p_;
};

}  // namespace hop::nn
