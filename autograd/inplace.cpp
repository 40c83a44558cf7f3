#include "autograd/inplace.h"

#include <string>

#include "autograd/grad_mode.h"
#include "autograd/rerun.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/expect_internal.h"
#include "kernels/half_internal.h"

namespace hop {
namespace {

namespace rows = kernels::rows;

void check_not_recorded(const char* op, const Tensor& y) {
  kernels::expect_defined(op, y);
  if (!is_grad_enabled() || !y.requires_grad()) return;
  throw AutogradError("[" + std::string(op) + "] writes in place are not recorded, and " +
                      (y.is_leaf() ? "a leaf" : "a computed tensor") + " that requires a gradient takes part (" +
                      y.describe() + "); write under NoGradGuard");
}

void check_written(const char* op, const Tensor& y) {
  check_not_recorded(op, y);
  autograd::note_write(y);
}

/// Throws if the result is of a higher category than y: y would lose its fraction, or values other than 0 and 1.
template <class Row>
const Tensor& copy_result(const char* op, const Tensor& y, const Row& row, const kernels::Input& x) {
  const Tensor result = kernels::evaluate(row, y, x);
  const bool loses = is_floating(result.dtype()) ? !is_floating(y.dtype())
                                                 : y.dtype() == DType::boolean && result.dtype() != DType::boolean;
  if (loses) {
    throw DtypeError("[" + std::string(op) + "] expected an operand that leaves the result in " +
                     std::string(name(y.dtype())) + ", got one that makes it " + std::string(name(result.dtype())) +
                     " (" + y.describe() + ")");
  }
  kernels::copy_(y, result);
  return y;
}

/// y <- row(y, x). Takes one pass if y can be evaluated into and x is not a part of y, otherwise a temporary copy. The
/// shapes may broadcast to y but not beyond it.
template <class Row>
const Tensor& apply(const char* op, const Tensor& y, const Row& row, const kernels::Input& x) {
  const bool fits = !x.is_tensor() ? is_floating(y.dtype())
                                   : x.tensor().dtype() == y.dtype() && x.tensor().shape() == y.shape() &&
                                         (x.tensor().is_same(y) || !(x.tensor().storage() == y.storage()));
  if (!fits || !kernels::can_evaluate_into(y)) return copy_result(op, y, row, x);
  kernels::evaluate_into(y, row, y, x);
  return y;
}

}  // namespace

const Tensor& copy_(const Tensor& y, const Tensor& x) {
  check_written("copy_", y);
  check_not_recorded("copy_", x);
  kernels::copy_(y, x);
  return y;
}

const Tensor& fill_(const Tensor& y, Scalar value) {
  check_written("fill_", y);
  kernels::fill_(y, value);
  return y;
}

const Tensor& zero_(const Tensor& y) { return fill_(y, 0); }

template <class Row>
static const Tensor& scaled(const char* op, const Tensor& y, const Row& row, const Tensor& x, Scalar alpha) {
  check_written(op, y);
  check_not_recorded(op, x);
  if (is_floating(alpha.dtype()) && !is_floating(y.dtype())) {
    throw DtypeError("[" + std::string(op) + "] expected an integer alpha for integers, got " + alpha.to_string() +
                     " (" + y.describe() + ")");
  }
  const bool is_one = !alpha.exceeds_i64() && alpha.to<double>() == 1;
  return apply(op, y, row, is_one ? x : kernels::mul(kernels::widened(x), alpha));  // 16 bits: one rounding, of the sum
}

const Tensor& add_(const Tensor& y, const Tensor& x, Scalar alpha) { return scaled("add_", y, rows::Add{}, x, alpha); }

const Tensor& add_(const Tensor& y, Scalar value) {
  check_written("add_", y);
  return apply("add_", y, rows::Add{}, value);
}

const Tensor& sub_(const Tensor& y, const Tensor& x, Scalar alpha) { return scaled("sub_", y, rows::Sub{}, x, alpha); }

const Tensor& sub_(const Tensor& y, Scalar value) {
  check_written("sub_", y);
  return apply("sub_", y, rows::Sub{}, value);
}

const Tensor& mul_(const Tensor& y, const Tensor& x) {
  check_written("mul_", y);
  check_not_recorded("mul_", x);
  return apply("mul_", y, rows::Mul{}, x);
}

const Tensor& mul_(const Tensor& y, Scalar value) {
  check_written("mul_", y);
  return apply("mul_", y, rows::Mul{}, value);
}

const Tensor& div_(const Tensor& y, const Tensor& x) {
  check_written("div_", y);
  check_not_recorded("div_", x);
  return apply("div_", y, rows::Div{}, x);
}

const Tensor& div_(const Tensor& y, Scalar value) {
  check_written("div_", y);
  return apply("div_", y, rows::Div{}, value);
}

const Tensor& lerp_(const Tensor& y, const Tensor& end, double weight) {
  check_written("lerp_", y);
  check_not_recorded("lerp_", end);
  if (kernels::any_half(y, end)) {
    kernels::expect_any_floating("lerp_", y);
    const Tensor wide = kernels::clone(kernels::widened(y));
    return copy_(y, lerp_(wide, kernels::widened(end), weight));
  }
  kernels::expect_floating("lerp_", y);
  kernels::expect_floating("lerp_", end);
  const Tensor distance = kernels::sub(end, y);
  if (weight < 0.5) return apply("lerp_", y, rows::Add{}, kernels::mul(distance, weight));
  // For weight 1 copies: if y is infinite, end + 0 * inf would be NaN.
  return weight == 1 ? copy_(y, end) : copy_(y, kernels::sub(end, kernels::mul(distance, 1 - weight)));
}

Tensor& operator+=(Tensor& y, kernels::Input x) {
  x.is_tensor() ? add_(y, x.tensor()) : add_(y, x.number());
  return y;
}

Tensor& operator-=(Tensor& y, kernels::Input x) {
  x.is_tensor() ? sub_(y, x.tensor()) : sub_(y, x.number());
  return y;
}

Tensor& operator*=(Tensor& y, kernels::Input x) {
  x.is_tensor() ? mul_(y, x.tensor()) : mul_(y, x.number());
  return y;
}

Tensor& operator/=(Tensor& y, kernels::Input x) {
  x.is_tensor() ? div_(y, x.tensor()) : div_(y, x.number());
  return y;
}

}  // namespace hop
