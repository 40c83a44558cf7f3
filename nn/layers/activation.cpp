#include "nn/layers/activation.h"

#include <cmath>

#include "autograd/activations.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/softmax.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"
#include "nn/init.h"

namespace hop::nn {

Tensor ReLU::forward(const Tensor& x) { return relu(x); }

Tensor LeakyReLU::forward(const Tensor& x) { return leaky_relu(x, negative_slope_); }

std::string LeakyReLU::extra_repr() const { return "negative_slope=" + shortest(negative_slope_); }

Tensor ELU::forward(const Tensor& x) { return elu(x, alpha_); }

std::string ELU::extra_repr() const { return "alpha=" + shortest(alpha_); }

Tensor Sigmoid::forward(const Tensor& x) { return sigmoid(x); }

Tensor Tanh::forward(const Tensor& x) { return tanh(x); }

Tensor GELU::forward(const Tensor& x) { return gelu(x, options_.approximate); }
std::string GELU::extra_repr() const { return options_.approximate == GeluApproximate::none ? "" : "approximate=tanh"; }

Tensor SiLU::forward(const Tensor& x) { return silu(x); }

Tensor LogSigmoid::forward(const Tensor& x) { return logsigmoid(x); }

Tensor Softsign::forward(const Tensor& x) { return softsign(x); }

Tensor Hardsigmoid::forward(const Tensor& x) { return hardsigmoid(x); }

Tensor Hardswish::forward(const Tensor& x) { return hardswish(x); }

Tensor Mish::forward(const Tensor& x) { return mish(x); }

Tensor SELU::forward(const Tensor& x) { return selu(x); }

Tensor ReLU6::forward(const Tensor& x) { return relu6(x); }

Hardtanh::Hardtanh(double min_val, double max_val) : min_val_(min_val), max_val_(max_val) {
  if (!(min_val < max_val)) {
    throw ConfigError("[Hardtanh] expected min_val < max_val, got " + shortest(min_val) + " and " + shortest(max_val));
  }
}

Tensor Hardtanh::forward(const Tensor& x) { return hardtanh(x, min_val_, max_val_); }

std::string Hardtanh::extra_repr() const { return "min_val=" + shortest(min_val_) + ", max_val=" + shortest(max_val_); }

CELU::CELU(double alpha) : alpha_(alpha) {
  if (alpha == 0 || !std::isfinite(alpha))
    throw ConfigError("[CELU] expected a finite alpha other than 0, got " + shortest(alpha));
}

// expm1 reads 0 where x > 0, so that it does not overflow.
Tensor CELU::forward(const Tensor& x) {
  if (autograd::any_half(x)) return autograd::rounded_like(forward(autograd::in_f32(x)), x);
  kernels::expect_floating("CELU", x);
  const Tensor is_positive = kernels::gt(x, 0);
  return where(is_positive, x, expm1(where(is_positive, 0.0, x) / alpha_) * alpha_);
}

std::string CELU::extra_repr() const { return "alpha=" + shortest(alpha_); }

Tensor Softplus::forward(const Tensor& x) { return softplus(x, beta_, threshold_); }

std::string Softplus::extra_repr() const { return "beta=" + shortest(beta_) + ", threshold=" + shortest(threshold_); }

PReLU::PReLU(std::int64_t num_parameters, PReLUOptions options)
    : weight(register_parameter("weight", (detail::check_positive("PReLU", {{"num_parameters", num_parameters}}),
                                           detail::filled_weight({num_parameters}, options.init, options.dtype)))),
      init_(options.init) {}

Tensor PReLU::forward(const Tensor& x) { return prelu(x, weight); }

void PReLU::reset_parameters(const ParameterKeys&) { init::constant_(weight, init_); }

std::string PReLU::extra_repr() const { return "num_parameters=" + std::to_string(weight.size(0)); }

Tensor Softmax::forward(const Tensor& x) { return softmax(x, dim_); }

std::string Softmax::extra_repr() const { return "dim=" + std::to_string(dim_); }

Tensor LogSoftmax::forward(const Tensor& x) { return log_softmax(x, dim_); }

std::string LogSoftmax::extra_repr() const { return "dim=" + std::to_string(dim_); }

Tensor GLU::forward(const Tensor& x) { return glu(x, dim_); }

std::string GLU::extra_repr() const { return "dim=" + std::to_string(dim_); }

}  // namespace hop::nn
