#include "nn/layers/linear.h"

#include <cmath>

#include "autograd/matmul.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"
#include "nn/init.h"

namespace hop::nn {

namespace {

Tensor new_weight(std::int64_t in_features, std::int64_t out_features, DType dtype) {
  detail::check_positive("Linear", {{"in_features", in_features}, {"out_features", out_features}});
  return detail::fresh_weight({out_features, in_features}, dtype);
}

const Parameter& checked(const Parameter& weight) {
  if (!weight.defined()) throw ConfigError("[Linear] expected a weight to share, got an undefined one");
  if (weight.dim() != 2) throw ShapeError("[Linear] expected a weight (out, in), got " + weight.shape().to_string());
  return weight;
}

}  // namespace

Linear::Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options)
    : Linear(new_weight(in_features, out_features, options.dtype), options.bias, false) {}

Linear::Linear(const Parameter& shared_weight, LinearOptions options)
    : Linear(checked(shared_weight), options.bias, true) {}

Linear::Linear(const Tensor& w, bool with_bias, bool shares_weight)
    : weight(register_weight(w, shares_weight)),
      bias(with_bias ? register_parameter("bias", detail::fresh_weight({w.size(0)}, w.dtype())) : Parameter()),
      shares_weight_(shares_weight) {}

Parameter Linear::register_weight(const Tensor& w, bool is_shared) {
  const bool is_trained = !is_shared || w.requires_grad();
  Parameter registered = register_parameter("weight", w);  // this thaws it
  registered.set_requires_grad(is_trained);
  return registered;
}

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias); }
Tensor Linear::forward(const Tensor& x, const LinearTail& tail) {
  return tail.relu ? linear_relu(x, weight, bias) : linear(x, weight, bias);
}

void Linear::reset_parameters(const ParameterKeys& keys) {
  if (!shares_weight_) init::kaiming_uniform_(weight, keys["weight"], {.a = std::sqrt(5.0)});
  if (!bias.defined()) return;
  const double bound = 1 / std::sqrt(static_cast<double>(weight.size(1)));
  init::uniform_(bias, keys["bias"], -bound, bound);
}

std::string Linear::extra_repr() const {
  return "in_features=" + std::to_string(weight.size(1)) + ", out_features=" + std::to_string(weight.size(0)) +
         ", bias=" + detail::flag_text(bias.defined());
}

}  // namespace hop::nn
