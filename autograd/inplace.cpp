#include "autograd/inplace.h"

#include <string>

#include "autograd/grad_mode.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"

namespace hop {
namespace {

void check_not_recorded(const char* op, const Tensor& y) {
  if (!is_grad_enabled() || !y.requires_grad()) return;
  throw AutogradError("[" + std::string(op) + "] writes in place are not recorded, and " +
                      (y.is_leaf() ? "a leaf" : "a computed tensor") + " that requires a gradient takes part (" +
                      y.describe() + "); write under NoGradGuard");
}

// y <- value, where value was computed from y: shapes may broadcast to y but not beyond it.
const Tensor& assign(const Tensor& y, const Tensor& value) {
  kernels::copy_(y, value);
  return y;
}

}  // namespace

const Tensor& copy_(const Tensor& y, const Tensor& x) {
  check_not_recorded("copy_", y);
  check_not_recorded("copy_", x);
  return assign(y, x);
}

const Tensor& fill_(const Tensor& y, Scalar value) {
  check_not_recorded("fill_", y);
  kernels::fill_(y, value);
  return y;
}

const Tensor& zero_(const Tensor& y) { return fill_(y, 0); }

const Tensor& add_(const Tensor& y, const Tensor& x, double alpha) {
  check_not_recorded("add_", y);
  check_not_recorded("add_", x);
  return assign(y, alpha == 1 ? kernels::add(y, x) : kernels::add(y, kernels::mul(x, alpha)));
}

const Tensor& add_(const Tensor& y, Scalar value) {
  check_not_recorded("add_", y);
  return assign(y, kernels::add(y, value));
}

const Tensor& mul_(const Tensor& y, const Tensor& x) {
  check_not_recorded("mul_", y);
  check_not_recorded("mul_", x);
  return assign(y, kernels::mul(y, x));
}

const Tensor& mul_(const Tensor& y, Scalar value) {
  check_not_recorded("mul_", y);
  return assign(y, kernels::mul(y, value));
}

const Tensor& lerp_(const Tensor& y, const Tensor& end, double weight) {
  check_not_recorded("lerp_", y);
  check_not_recorded("lerp_", end);
  return assign(y, kernels::add(y, kernels::mul(kernels::sub(end, y), weight)));
}

}  // namespace hop
