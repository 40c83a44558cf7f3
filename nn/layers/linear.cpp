#include "nn/layers/linear.h"

#include <cmath>
#include <span>

#include "autograd/einsum.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/matmul.h"
#include "autograd/view.h"
#include "kernels/expect_internal.h"
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

namespace {

/// The leading dimensions of x.
Shape rows_of(const Tensor& x) {
  if (x.dim() == 0) return {};
  return Shape(std::span(x.shape().begin(), static_cast<std::size_t>(x.dim() - 1)));
}

}  // namespace

Bilinear::Bilinear(std::int64_t in1_features, std::int64_t in2_features, std::int64_t out_features,
                   LinearOptions options)
    : weight(register_parameter("weight",
                                (detail::check_positive("Bilinear", {{"in1_features", in1_features},
                                                                     {"in2_features", in2_features},
                                                                     {"out_features", out_features}}),
                                 detail::fresh_weight({out_features, in1_features, in2_features}, options.dtype)))),
      bias(options.bias ? register_parameter("bias", detail::fresh_weight({out_features}, options.dtype))
                        : Parameter()) {}

Tensor Bilinear::forward(const Tensor& a, const Tensor& b) {
  kernels::expect_any_floating("Bilinear", {&a, &b, &weight});
  Shape shape = rows_of(a);
  const bool fits =
      a.dim() > 0 && b.dim() > 0 && shape == rows_of(b) && a.size(-1) == weight.size(1) && b.size(-1) == weight.size(2);
  if (!fits) {
    throw ShapeError("[Bilinear] expected (.., " + std::to_string(weight.size(1)) + ") and (.., " +
                     std::to_string(weight.size(2)) + ") with equal leading dimensions, got " + a.shape().to_string() +
                     " and " + b.shape().to_string());
  }
  using autograd::in_f32;
  const std::int64_t rows = shape.numel();
  const Tensor x1 = reshape(a, {rows, weight.size(1)}), x2 = reshape(b, {rows, weight.size(2)});
  const Tensor y = einsum("ni,oij,nj->no", {in_f32(x1), in_f32(weight), in_f32(x2)});
  shape.push_back(weight.size(0));
  return autograd::rounded_like(reshape(bias.defined() ? y + in_f32(bias) : y, shape), a);
}

void Bilinear::reset_parameters(const ParameterKeys& keys) {
  const double bound = 1 / std::sqrt(static_cast<double>(weight.size(1)));
  init::uniform_(weight, keys["weight"], -bound, bound);
  if (bias.defined()) init::uniform_(bias, keys["bias"], -bound, bound);
}

std::string Bilinear::extra_repr() const {
  return "in1_features=" + std::to_string(weight.size(1)) + ", in2_features=" + std::to_string(weight.size(2)) +
         ", out_features=" + std::to_string(weight.size(0)) + ", bias=" + detail::flag_text(bias.defined());
}

}  // namespace hop::nn
