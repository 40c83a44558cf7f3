// Activations that cut: values near zero or below a threshold.
#pragma once

#include <string>

#include "nn/module.h"

namespace hop::nn {

/// x where |x| > lambd, else 0.
class Hardshrink : public Module {
 public:
  explicit Hardshrink(double lambd = 0.5) : lambd_(lambd) {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Hardshrink"; }
  std::string extra_repr() const override;

 private:
  double lambd_;
};

/// x - lambd for x > lambd, x + lambd for x < -lambd, else 0.
class Softshrink : public Module {
 public:
  /// Throws ConfigError for a negative lambd.
  explicit Softshrink(double lambd = 0.5);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Softshrink"; }
  std::string extra_repr() const override;

 private:
  double lambd_;
};

/// x - tanh(x)
class Tanhshrink : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Tanhshrink"; }
};

/// x where x > threshold, else value.
class Threshold : public Module {
 public:
  Threshold(double threshold, double value) : threshold_(threshold), value_(value) {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Threshold"; }
  std::string extra_repr() const override;

 private:
  double threshold_, value_;
};

/// x where x > 0, else a x with a slope a drawn for each element, uniform in lower..upper, while training, and with
/// their mean in evaluation (Xu et al., 2015). torch.nn.RReLU.
class RReLU : public Module {
 public:
  /// Throws ConfigError unless lower <= upper, both finite.
  explicit RReLU(double lower = 1.0 / 8, double upper = 1.0 / 3);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "RReLU"; }
  std::string extra_repr() const override;

 private:
  double lower_, upper_;
};

/// softmax(-x) along one dimension.
class Softmin : public Module {
 public:
  explicit Softmin(std::int64_t dim = -1) : dim_(dim) {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Softmin"; }
  std::string extra_repr() const override;

 private:
  std::int64_t dim_;
};

/// The softmax over the channels of each pixel of x (N, C, H, W) or (C, H, W).
class Softmax2d : public Module {
 public:
  /// Throws ShapeError for another number of dimensions.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Softmax2d"; }
};

}  // namespace hop::nn
