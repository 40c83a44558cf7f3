#include "nn/layers/linear.h"

#include <cmath>

#include "autograd/matmul.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"
#include "nn/init.h"

namespace hop::nn {

Linear::Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options) {
  detail::check_positive("Linear", {{"in_features", in_features}, {"out_features", out_features}});
  weight = register_parameter("weight", detail::fresh_weight({out_features, in_features}, options.dtype));
  if (options.bias) bias = register_parameter("bias", detail::fresh_weight({out_features}, options.dtype));
}

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias); }
Tensor Linear::forward(const Tensor& x, const LinearTail& tail) {
  return tail.relu ? linear_relu(x, weight, bias) : linear(x, weight, bias);
}

void Linear::reset_parameters(const ParameterKeys& keys) {
  init::kaiming_uniform_(weight, keys["weight"], {.a = std::sqrt(5.0)});
  if (!bias.defined()) return;
  const double bound = 1 / std::sqrt(static_cast<double>(weight.size(1)));
  init::uniform_(bias, keys["bias"], -bound, bound);
}

std::string Linear::extra_repr() const {
  return "in_features=" + std::to_string(weight.size(1)) + ", out_features=" + std::to_string(weight.size(0)) +
         ", bias=" + detail::flag_text(bias.defined());
}

}  // namespace hop::nn
