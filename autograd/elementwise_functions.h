// The differentiable elementwise functions, declared one by one. Each is defined by its row of
// kernels/elementwise.def. This page is written from the rows, by the command
//
//   HOP_WRITE_PAGES=1 build/tests/autograd_test --gtest_filter='ElementwiseFunctions.*'
//
// Operands broadcast and promote as in kernels/elementwise.h. Comparisons lose no value, except that an integer beyond
// 2^53 is rounded to f64 if the other operand is floating. In a formula, g is the gradient of the loss with respect to
// y, and where(c, p, q) is p if c is true, else q. All functions throw ShapeError for operands that do not broadcast,
// DtypeError for dtypes that do not fit, and DeviceError for operands on two devices.
#pragma once

#include <cmath>

#include "kernels/elementwise.h"
#include "tensor/tensor.h"

namespace hop {

/// y = -x. Gradient: -g. Throws DtypeError for bool.
Tensor neg(const Tensor& x);
/// y = abs(x). Gradient: g * sign(x). Throws DtypeError for bool.
Tensor abs(const Tensor& x);
/// y = sign(x). Gradient: 0. Throws DtypeError for bool.
Tensor sign(const Tensor& x);
/// y = x * x. Gradient: g * (2 * x). Throws DtypeError for bool.
Tensor square(const Tensor& x);
/// y = 1 / x. Gradient: -g * (y * y). Integers and bool become f32.
Tensor reciprocal(const Tensor& x);
/// y = sqrt(x). Gradient: g / (2 * y). Integers and bool become f32.
Tensor sqrt(const Tensor& x);
/// y = rsqrt(x). Gradient: g * (-0.5 * (y * y * y)). Integers and bool become f32.
Tensor rsqrt(const Tensor& x);
/// y = exp(x). Gradient: g * y. Integers and bool become f32.
Tensor exp(const Tensor& x);
/// y = expm1(x). Gradient: g * (y + 1). Integers and bool become f32.
Tensor expm1(const Tensor& x);
/// y = log(x). Gradient: g / x. Integers and bool become f32.
Tensor log(const Tensor& x);
/// y = log1p(x). Gradient: g / (1 + x). Integers and bool become f32.
Tensor log1p(const Tensor& x);
/// y = sin(x). Gradient: g * cos(x). Integers and bool become f32.
Tensor sin(const Tensor& x);
/// y = cos(x). Gradient: -g * sin(x). Integers and bool become f32.
Tensor cos(const Tensor& x);
/// y = tan(x). Gradient: g * (1 + y * y). Integers and bool become f32.
Tensor tan(const Tensor& x);
/// y = asin(x). Gradient: g * rsqrt(1 - x * x). Integers and bool become f32.
Tensor asin(const Tensor& x);
/// y = acos(x). Gradient: -g * rsqrt(1 - x * x). Integers and bool become f32.
Tensor acos(const Tensor& x);
/// y = atan(x). Gradient: g / (1 + x * x). Integers and bool become f32.
Tensor atan(const Tensor& x);
/// y = sinh(x). Gradient: g * cosh(x). Integers and bool become f32.
Tensor sinh(const Tensor& x);
/// y = cosh(x). Gradient: g * sinh(x). Integers and bool become f32.
Tensor cosh(const Tensor& x);
/// y = tanh(x). Gradient: g * (1 - y * y). Integers and bool become f32.
Tensor tanh(const Tensor& x);
/// y = sigmoid(x). Gradient: g * (y * (1 - y)). Integers and bool become f32.
Tensor sigmoid(const Tensor& x);
/// y = minimum(x, 0) - log1p(exp(-abs(x))). Gradient: g * sigmoid(-x). Integers and bool become f32.
Tensor logsigmoid(const Tensor& x);
/// y = erf(x). Gradient: g * (2 / sqrt(pi) * exp(-(x * x))). Integers and bool become f32.
Tensor erf(const Tensor& x);
/// y = floor(x). Gradient: 0. Throws DtypeError for bool.
Tensor floor(const Tensor& x);
/// y = ceil(x). Gradient: 0. Throws DtypeError for bool.
Tensor ceil(const Tensor& x);
/// y = trunc(x). Gradient: 0. Throws DtypeError for bool.
Tensor trunc(const Tensor& x);
/// y = round(x). Gradient: 0. Throws DtypeError for bool.
Tensor round(const Tensor& x);
/// y = pow(x, exponent). Gradient: where(exponent == 0, 0, g * (exponent * pow(x, exponent - 1))). Integers and bool
/// become f32.
Tensor pow_scalar(const Tensor& x, double exponent = 1);
/// y = minimum(maximum(x, min), max). Gradient: where(x >= min, where(x <= max, g, 0), 0). Throws DtypeError for bool.
Tensor clamp(const Tensor& x, double min = -HUGE_VAL, double max = HUGE_VAL);
/// y = where(x <= 0, 0, x). Gradient: where(y <= 0, 0, g). Throws DtypeError for bool.
Tensor relu(const Tensor& x);
/// y = where(x > 0, x, negative_slope * x). Gradient: where(x > 0, g, negative_slope * g). Integers and bool become
/// f32.
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// y = where(x > 0, x, alpha * expm1(x)). Gradient: where(x > 0, g, g * (alpha * exp(where(x > 0, 0, x)))). Integers
/// and bool become f32.
Tensor elu(const Tensor& x, double alpha = 1);
/// y = x * sigmoid(x). Gradient: g * (sigmoid(x) * (1 + x * (1 - sigmoid(x)))). Integers and bool become f32.
Tensor silu(const Tensor& x);
/// y = 0.5 * x * (1 + erf(x * sqrt(1/2))). Gradient: g * (0.5 * (1 + erf(x * sqrt(1/2))) + x * (1 / sqrt(2 pi) *
/// exp(-0.5 * (x * x)))). Integers and bool become f32.
Tensor gelu(const Tensor& x);
/// y = x * sigmoid(2 * sqrt(2 / pi) * x * (1 + 0.044715 * minimum(x * x, 1e4))). Gradient: g * (sigmoid(2 * sqrt(2 /
/// pi) * x * (1 + 0.044715 * minimum(x * x, 1e4))) * (1 + x * sigmoid(-2 * sqrt(2 / pi) * x * (1 + 0.044715 * minimum(x
/// * x, 1e4))) * (2 * sqrt(2 / pi) * (1 + 0.134145 * minimum(x * x, 1e4))))). Integers and bool become f32.
Tensor gelu_tanh(const Tensor& x);
/// y = where(beta * x > threshold, x, log1p(exp(beta * x)) / beta). Gradient: where(beta * x > threshold, g, g *
/// sigmoid(beta * x)). Integers and bool become f32.
Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
/// y = a + b. Gradients: of a: g; of b: g.
Tensor add(kernels::Input a, kernels::Input b);
/// y = a - b. Gradients: of a: g; of b: -g. Throws DtypeError for bool.
Tensor sub(kernels::Input a, kernels::Input b);
/// y = a * b. Gradients: of a: g * b; of b: g * a.
Tensor mul(kernels::Input a, kernels::Input b);
/// y = a / b. Gradients: of a: g / b; of b: -g * (a / b / b). Integers and bool become f32.
Tensor div(kernels::Input a, kernels::Input b);
/// y = pow(a, b). Gradients: of a: where(b == 0, 0, g * (b * pow(a, where(b == 0, 1, b - 1)))); of b: where(a == 0,
/// where(b >= 0, 0, g * (y * log(where(b >= 0, 1, a)))), g * (y * log(where(a == 0, 1, a)))). Throws DtypeError for
/// bool.
Tensor pow(kernels::Input a, kernels::Input b);
/// y = atan2(a, b). Gradients: of a: g * (b / where(a * a + b * b == 0, HUGE_VAL, a * a + b * b)); of b: -g * (a /
/// where(a * a + b * b == 0, HUGE_VAL, a * a + b * b)). Integers and bool become f32.
Tensor atan2(kernels::Input a, kernels::Input b);
/// y = hypot(a, b). Gradients: of a: g * (a / y); of b: g * (b / y). Integers and bool become f32.
Tensor hypot(kernels::Input a, kernels::Input b);
/// y = remainder(a, b). Gradients: of a: g; of b: -g * floor_divide(a, b). Throws DtypeError for bool.
Tensor remainder(kernels::Input a, kernels::Input b);
/// y = fmod(a, b). Gradients: of a: g; of b: -g * round((a - y) / b). Throws DtypeError for bool.
Tensor fmod(kernels::Input a, kernels::Input b);
/// y = floor_divide(a, b). Gradients: of a: 0; of b: 0. Throws DtypeError for bool.
Tensor floor_divide(kernels::Input a, kernels::Input b);
/// y = maximum(a, b). Gradients: of a: where(a < b, 0, where(a == b, 0.5 * g, g)); of b: where(b < a, 0, where(a == b,
/// 0.5 * g, g)).
Tensor maximum(kernels::Input a, kernels::Input b);
/// y = minimum(a, b). Gradients: of a: where(a > b, 0, where(a == b, 0.5 * g, g)); of b: where(b > a, 0, where(a == b,
/// 0.5 * g, g)).
Tensor minimum(kernels::Input a, kernels::Input b);
/// y = where(condition != 0, a, b). Gradients: of a: where(condition != 0, g, 0); of b: where(condition != 0, 0, g).
Tensor where(kernels::Input condition, kernels::Input a, kernels::Input b);
/// y = x - x == 0. y is bool.
Tensor isfinite(const Tensor& x);
/// y = x != x. y is bool.
Tensor isnan(const Tensor& x);
/// y = x == 0. y is bool.
Tensor logical_not(const Tensor& x);
/// y = a == b. y is bool.
Tensor eq(kernels::Input a, kernels::Input b);
/// y = a != b. y is bool.
Tensor ne(kernels::Input a, kernels::Input b);
/// y = a < b. y is bool.
Tensor lt(kernels::Input a, kernels::Input b);
/// y = a <= b. y is bool.
Tensor le(kernels::Input a, kernels::Input b);
/// y = a > b. y is bool.
Tensor gt(kernels::Input a, kernels::Input b);
/// y = a >= b. y is bool.
Tensor ge(kernels::Input a, kernels::Input b);
/// y = (a != 0) & (b != 0). y is bool.
Tensor logical_and(kernels::Input a, kernels::Input b);
/// y = (a != 0) | (b != 0). y is bool.
Tensor logical_or(kernels::Input a, kernels::Input b);

}  // namespace hop
