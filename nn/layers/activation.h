// Activations: elementwise modules, and those along one dimension (Softmax, LogSoftmax, GLU).
#pragma once

#include "autograd/activations.h"  // GeluApproximate
#include "nn/module.h"

namespace hop::nn {

class ReLU : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "ReLU"; }
};

class LeakyReLU : public Module {
 public:
  explicit LeakyReLU(double negative_slope = 0.01) : negative_slope_(negative_slope) {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "LeakyReLU"; }
  std::string extra_repr() const override;

 private:
  double negative_slope_;
};

/// x where x > 0, else alpha (exp(x) - 1).
class ELU : public Module {
 public:
  explicit ELU(double alpha = 1) : alpha_(alpha) {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "ELU"; }
  std::string extra_repr() const override;

 private:
  double alpha_;
};

class Sigmoid : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Sigmoid"; }
};

class Tanh : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Tanh"; }
};

struct GELUOptions {
  GeluApproximate approximate = GeluApproximate::none;
};

/// x * Phi(x): exact (erf), as PyTorch's default, or approximate (tanh).
class GELU : public Module {
 public:
  explicit GELU(GELUOptions options = {}) : options_(options) {}
  explicit GELU(GeluApproximate approximate) : options_{approximate} {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "GELU"; }
  std::string extra_repr() const override;

 private:
  GELUOptions options_;
};

/// x * sigmoid(x)
class SiLU : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "SiLU"; }
};

/// log(sigmoid(x))
class LogSigmoid : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "LogSigmoid"; }
};

/// x / (1 + |x|)
class Softsign : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Softsign"; }
};

/// relu6(x + 3) / 6
class Hardsigmoid : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Hardsigmoid"; }
};

/// x relu6(x + 3) / 6 (Howard et al., "Searching for MobileNetV3", 2019)
class Hardswish : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Hardswish"; }
};

/// x tanh(softplus(x)) (Misra, 2019)
class Mish : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Mish"; }
};

/// scale elu(x, alpha) with the constants of Klambauer et al., 2017. AlphaDropout goes with it.
class SELU : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "SELU"; }
};

/// min(max(x, 0), 6)
class ReLU6 : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "ReLU6"; }
};

/// min_val for x <= min_val, max_val for x >= max_val, else x.
class Hardtanh : public Module {
 public:
  /// Throws ConfigError unless min_val < max_val.
  explicit Hardtanh(double min_val = -1, double max_val = 1);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Hardtanh"; }
  std::string extra_repr() const override;

 private:
  double min_val_, max_val_;
};

/// x where x > 0, else alpha (exp(x / alpha) - 1) (Barron, 2017).
class CELU : public Module {
 public:
  /// Throws ConfigError for an alpha of 0 or one that is not finite.
  explicit CELU(double alpha = 1);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "CELU"; }
  std::string extra_repr() const override;

 private:
  double alpha_;
};

/// log(1 + exp(beta x)) / beta, and x where beta x > threshold.
class Softplus : public Module {
 public:
  explicit Softplus(double beta = 1, double threshold = 20) : beta_(beta), threshold_(threshold) {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Softplus"; }
  std::string extra_repr() const override;

 private:
  double beta_, threshold_;
};

struct PReLUOptions {
  double init = 0.25;
  DType dtype = DType::f32;
};

/// x where x > 0, else weight x (He et al., 2015): one weight, or one per channel of x (N, C, ..).
class PReLU : public Module {
 public:
  /// Throws ConfigError for num_parameters below 1.
  explicit PReLU(std::int64_t num_parameters = 1, PReLUOptions options = {});
  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "PReLU"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (num_parameters)

 private:
  double init_;
};

/// exp(x_i) / sum_j exp(x_j) along one dimension.
class Softmax : public Module {
 public:
  explicit Softmax(std::int64_t dim = -1) : dim_(dim) {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Softmax"; }
  std::string extra_repr() const override;

 private:
  std::int64_t dim_;
};

/// The logarithm of Softmax.
class LogSoftmax : public Module {
 public:
  explicit LogSoftmax(std::int64_t dim = -1) : dim_(dim) {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "LogSoftmax"; }
  std::string extra_repr() const override;

 private:
  std::int64_t dim_;
};

/// a sigmoid(b) for the halves a and b of x along one dimension (Dauphin et al., 2017).
class GLU : public Module {
 public:
  explicit GLU(std::int64_t dim = -1) : dim_(dim) {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "GLU"; }
  std::string extra_repr() const override;

 private:
  std::int64_t dim_;
};

}  // namespace hop::nn
