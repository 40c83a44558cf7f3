// Activations and other elementwise functions that are composed of rows of kernels/elementwise.def. The functions of
// one operand take floating x (DtypeError) of any shape. Operands broadcast (ShapeError) and promote as those of add().
// Each is differentiable; at a kink the gradient is that of PyTorch.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/elementwise.h"
#include "tensor/tensor.h"

namespace hop {

/// How gelu() computes: exactly, by erf, or x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is the formula by tanh.
enum class GeluApproximate : std::uint8_t { none, tanh };
/// torch.nn.functional.gelu with `approximate`.
Tensor gelu(const Tensor& x, GeluApproximate approximate);
/// min for x <= min, max for x >= max, else x. The gradient at min and max is 0 (that of clamp() is 1).
Tensor hardtanh(const Tensor& x, double min_val = -1, double max_val = 1);
/// hardtanh(x, 0, 6).
Tensor relu6(const Tensor& x);
/// relu6(x + 3) / 6.
Tensor hardsigmoid(const Tensor& x);
/// x relu6(x + 3) / 6 (Howard et al., "Searching for MobileNetV3", 2019).
Tensor hardswish(const Tensor& x);
/// x tanh(softplus(x)) (Misra 2019).
Tensor mish(const Tensor& x);
/// scale elu(x, alpha) with the constants of Klambauer et al. 2017.
Tensor selu(const Tensor& x);
/// x for x > 0, else weight x. The weight has one value, or one per channel: (C) for x (N, C, ..). Throws ShapeError
/// for a weight of another size, DtypeError unless the dtypes are equal.
Tensor prelu(const Tensor& x, const Tensor& weight);
/// a sigmoid(b) for the halves a and b of x along `dim` (Dauphin et al. 2017): (.., 2 n) -> (.., n). Throws ShapeError
/// for an odd size or an x of shape (), IndexError.
Tensor glu(const Tensor& x, std::int64_t dim = -1);
/// x / (1 + |x|).
Tensor softsign(const Tensor& x);
/// x where |x| > lambd, else 0.
Tensor hardshrink(const Tensor& x, double lambd = 0.5);
/// x - lambd for x > lambd, x + lambd for x < -lambd, else 0. Throws ConfigError for a negative lambd.
Tensor softshrink(const Tensor& x, double lambd = 0.5);
/// x - tanh(x).
Tensor tanhshrink(const Tensor& x);
/// x where x > threshold, else value.
Tensor threshold(const Tensor& x, double threshold, double value);
/// torch.logit: log(x / (1 - x)), the inverse of sigmoid. With `eps` x is clamped to eps..1-eps first. The gradient at
/// the bounds is 1 / (x (1 - x)), infinite at 0 and 1.
Tensor logit(const Tensor& x, std::optional<double> eps = std::nullopt);

/// torch.clamp with bounds for each element: `max` where it is below `min`. An undefined bound is none. The gradient
/// goes to x where x is the value, also at a bound, else to the bound. A NaN in x or in a bound is the value. Throws
/// ConfigError for two undefined bounds.
Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max);
/// torch.logaddexp: log(exp(a) + exp(b)), without overflow. Integers become f32.
Tensor logaddexp(const Tensor& a, const Tensor& b);

/// torch.add and torch.sub with `alpha`: a + alpha b and a - alpha b, of bf16 and f16 with one rounding. Throws
/// DtypeError for a fractional alpha if neither a nor b is floating, and for sub() of bools.
Tensor add(const Tensor& a, kernels::Input b, Scalar alpha);
Tensor sub(const Tensor& a, kernels::Input b, Scalar alpha);

/// torch.lerp: start + weight (end - start). From |weight| 0.5 on it computes end - (1 - weight) (end - start), so that
/// weight 1 gives exactly `end`. weight is a number or a tensor. Throws DtypeError unless the tensors are floating.
Tensor lerp(const Tensor& start, const Tensor& end, kernels::Input weight);
/// torch.addcmul: x + value a b.
Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value = 1);
/// torch.addcdiv: x + value a / b.
Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value = 1);

}  // namespace hop
